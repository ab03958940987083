"""tocsin on Apache Kafka: the only package that imports aiokafka, faust and mode.

`connection` says how a broker is reached, `broker` is the port to the log, the rest is group membership: Faust apps
whose agents hand batches of records to the same owners that run on the embedded log.
"""
