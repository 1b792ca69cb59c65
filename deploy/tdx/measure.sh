#!/bin/sh
# MRTD of a guest with this firmware, and RTMR3 as the launcher makes it: deploy/tdx/measure.sh FIRMWARE
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
node "$here/packages/cli/bin/tf-trusted.js" enclave measure --tdx "$1"
node "$here/packages/cli/bin/tf-trusted.js" enclave measure --engine wasm --files | tail -1
