#!/bin/sh
# The launch digest of what start.sh starts: deploy/snp/measure.sh FIRMWARE KERNEL INITRD, with the same VCPUS and CPU.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
node "$here/packages/cli/bin/tf-trusted.js" enclave measure --snp "$1" --kernel "$2" --initrd "$3" \
  --command-line "console=ttyS0 panic=-1 tf_trusted.platform=snp" --vcpus "${VCPUS:-2}" --cpu "${CPU:-EPYC-Milan}"
