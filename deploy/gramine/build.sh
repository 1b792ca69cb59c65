#!/bin/sh
# Builds, signs, and measures twice: deploy/gramine/build.sh DIR KEY [flags of build.mjs]. Needs Gramine, but no SGX.
# The two measurements have to agree: what the signing tool made, and what our own computation makes of the same files.
set -eu
dir=$1 key=$2
shift 2
here=$(cd "$(dirname "$0")/../.." && pwd)
[ -f "$key" ] || (umask 077 && openssl genrsa -3 -out "$key" 3072)
node "$here/deploy/gramine/build.mjs" --output "$dir" "$@"
cd "$dir"
gramine-sgx-sign --manifest tf-trusted.manifest --output tf-trusted.manifest.sgx --key "$key"
node "$here/packages/cli/bin/tf-trusted.js" enclave measure --sigstruct tf-trusted.sig --gramine tf-trusted.manifest.sgx
