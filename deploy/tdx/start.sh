#!/bin/sh
# Starts a TDX guest by direct boot: deploy/tdx/start.sh FIRMWARE KERNEL INITRD. Needs a TDX host with QEMU ≥ 9.1.
set -eu
firmware=$1 kernel=$2 initrd=$3
exec qemu-system-x86_64 \
  -accel kvm -cpu host -smp "${VCPUS:-2}" -m "${MEMORY:-8G}" -nographic -nodefaults -serial mon:stdio \
  -machine q35,kernel-irqchip=split,confidential-guest-support=tdx \
  -object '{"qom-type":"tdx-guest","id":"tdx","quote-generation-socket":{"type":"vsock","cid":"2","port":"4050"}}' \
  -bios "$firmware" -kernel "$kernel" -initrd "$initrd" \
  -append "console=ttyS0 panic=-1 tf_trusted.platform=tdx" \
  -netdev "user,id=net,hostfwd=tcp::${PORT:-50051}-:50051" -device virtio-net-pci,netdev=net
