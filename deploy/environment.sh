# What deploy/try, deploy/test and deploy/lock share: words on the terminal, a Python, a virtual environment.
#
# To be sourced by bash. Reads no state but the checkout it lies in; writes only below the virtual
# environment it is asked to make.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${0##*/}
oldest_python=3.11

say() { printf '%s: %s\n' "$program" "$*" >&2; }

fail() {
  say "$@"
  exit 1
}

is_new_enough() { # <python>; false when it is too old, and when it does not run at all
  "$1" -c "import sys; sys.exit(sys.version_info[:2] < (${oldest_python/./, }))" 2>/dev/null
}

# Prints the first Python that is new enough. TOCSIN_PYTHON, when set, is the only candidate.
find_python() {
  local candidate found=""
  for candidate in ${TOCSIN_PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
    found=$("$candidate" --version 2>/dev/null) || true
  done
  fail "needs Python $oldest_python or newer${found:+, but here is only $found};" \
    "install one, or name it: TOCSIN_PYTHON=/path/to/python deploy/$program"
}

# Makes the virtual environment unless a working one is there.
make_venv() { # <directory>
  local venv=$1 python version
  if [ "$(cat "$venv/.made-for" 2>/dev/null)" = "$root" ] && is_new_enough "$venv/bin/python"; then
    return
  fi
  python=$(find_python)
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module; on Debian and Ubuntu: apt-get install python$version-venv"
  say "making ${venv#"$root"/} with Python $version"
  "$python" -m venv --clear "$venv" || fail "$python could not make $venv (see above)"
  printf '%s\n' "$root" >"$venv/.made-for" # scripts in it name this path: a checkout that moved needs a new one
}

checksum() { "$1/bin/python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$2"; }

# Runs pip unless it already ran for this very content of the file.
once_for() { # <directory> <file> <what to say> <arguments of pip install>...
  local venv=$1 file=$2 words=$3 stamp sum
  shift 3
  stamp="$venv/.installed-${file##*/}"
  sum=$(checksum "$venv" "$file")
  [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ] || return 0
  say "$words"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
    fail "could not install (see above); nothing outside ${venv#"$root"/} was changed, run this again to go on"
  printf '%s\n' "$sum" >"$stamp"
}

# A virtual environment with exactly the locked packages and tocsin itself. The second time it needs no network.
make_environment() { # <directory> <lock file>
  local venv=$1 lock=$2
  make_venv "$venv"
  once_for "$venv" "$lock" "installing the packages of ${lock#"$root"/}; the first time this takes a minute" \
    --require-hashes --only-binary :all: --requirement "$lock" # a source archive would fetch its build tools unhashed
  once_for "$venv" "$root/pyproject.toml" "installing tocsin itself" \
    --no-deps --no-build-isolation --editable "$root"
}
