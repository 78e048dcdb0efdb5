#!/bin/sh
# load.sh finance|psa              makes the pretend legacy database, once
# load.sh finance|psa activity …   works in it; more options: python -m sandbox.legacy --help, python -m sandbox.psa --help
set -eu

case $1 in
  finance)
    module=sandbox.legacy
    DSN="postgresql://finance:$(cat /run/secrets/finance_password)@finance-db:5432/finance"
    ;;
  psa)
    module=sandbox.psa
    DSN="mysql://psa:$(cat /run/secrets/psa_password)@psa-db:3306/psa"
    ;;
  *)
    echo "load.sh: finance or psa" >&2
    exit 2
    ;;
esac
export DSN
made=$HOME/made-$1
shift

if [ $# -gt 0 ]; then
  exec python -m "$module" "$@" --dsn-env DSN
fi
if [ ! -e "$made" ]; then
  python -m "$module" create --dsn-env DSN
  python -m "$module" load --dsn-env DSN
  touch "$made"
fi
