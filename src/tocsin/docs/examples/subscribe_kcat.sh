#!/bin/sh
# Prints tocsin's events with kcat (1.7) and jq: subscribe_kcat.sh SERVERS TOPIC
kcat -b "$1" -t "$2" -C -o beginning -u -J | jq -r --unbuffered '
  .headers as $h
  | (reduce range(0; $h | length; 2) as $i ({}; .[$h[$i]] //= $h[$i + 1])) as $ce
  # The rule: a record counts if it lies at the offset that its writer expected.
  | select($ce.ce_sequence == ("0" * 20 + (.offset | tostring))[-20:])
  | "\(.partition) \(.offset) \($ce.ce_type) \($ce.ce_id)"'
