#!/bin/sh
# Starts a SEV-SNP guest by measured direct boot: deploy/snp/start.sh FIRMWARE KERNEL INITRD. Needs an SNP host, QEMU ≥ 9.1, and
# AMD's variant of OVMF, which checks kernel, initrd and command line against the hashes that are measured.
set -eu
firmware=$1 kernel=$2 initrd=$3
exec qemu-system-x86_64 \
  -accel kvm -cpu "${CPU:-EPYC-Milan}" -smp "${VCPUS:-2}" -m "${MEMORY:-8G}" -nographic -nodefaults -serial mon:stdio \
  -machine q35,confidential-guest-support=snp,memory-backend=ram \
  -object "memory-backend-memfd,id=ram,size=${MEMORY:-8G},share=true" \
  -object "sev-snp-guest,id=snp,cbitpos=51,reduced-phys-bits=1,policy=0x30000,kernel-hashes=on" \
  -bios "$firmware" -kernel "$kernel" -initrd "$initrd" \
  -append "console=ttyS0 panic=-1 tf_trusted.platform=snp" \
  -netdev "user,id=net,hostfwd=tcp::${PORT:-50051}-:50051" -device virtio-net-pci,netdev=net
