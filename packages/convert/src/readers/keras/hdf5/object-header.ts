/** Object headers of version 1 and 2 (§IV.A.1): the messages that say what an object is. */
import {ByteReader} from "@tf-trusted/core";
import {
  damaged,
  expectSignature,
  type FileBytes,
  readAddress,
  readLength,
  readUnsigned,
  unsupported,
} from "./cursor.ts";

export interface HeaderMessage {
  readonly type: number;
  readonly data: Uint8Array;
  /** In the file, for error messages. */
  readonly offset: number;
}

/** Types of messages that are looked at (§IV.A.2). */
export const messageTypes = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  externalFiles: 0x07,
  layout: 0x08,
  filters: 0x0b,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
  attributeInfo: 0x15,
} as const;

const sharedFlag = 0x02;
const maxMessages = 65_536;
const maxBlocks = 1024;
const checksumLength = 4;

interface Block {
  readonly address: number;
  readonly length: number;
}

/** All messages of the object at `address`. Throws `CONVERT_HDF5` and what the file's bounds throw. */
export function readObjectHeader(file: FileBytes, address: number): readonly HeaderMessage[] {
  const first = file.at(address, "object header");
  const isVersion2 =
    first.remaining >= 4 && String.fromCharCode(...file.at(address, "object header", 4).rest()) === "OHDR";
  const messages: HeaderMessage[] = [];
  const pending: Block[] = [];
  const visited = new Set<number>();
  const keep = (message: HeaderMessage & {readonly flags: number}) => {
    if (messages.length >= maxMessages) throw damaged(`object header at ${address}: over ${maxMessages} messages`);
    if (message.type === messageTypes.continuation) {
      const reader = new ByteReader(message.data, "continuation", message.offset);
      pending.push({address: readAddress(reader), length: readLength(reader)});
      return;
    }
    if ((message.flags & sharedFlag) !== 0 && Object.values<number>(messageTypes).includes(message.type)) {
      throw unsupported(`a shared header message (type ${message.type})`);
    }
    messages.push(message);
  };

  let readBlock: (reader: ByteReader, base: number) => void;
  if (isVersion2) {
    first.take(4);
    const version = first.u8();
    if (version !== 2) throw damaged(`object header at ${address} has version ${version}`);
    const flags = first.u8();
    if ((flags & 0x20) !== 0) first.take(16);
    if ((flags & 0x10) !== 0) first.take(4);
    const length = readUnsigned(first, 1 << (flags & 3));
    const prefix = (flags & 0x04) !== 0 ? 6 : 4;
    readBlock = (reader, base) => {
      // What is too short for another message is a gap.
      while (reader.remaining >= prefix) {
        file.step();
        const type = reader.u8();
        const size = reader.u16le();
        const messageFlags = reader.u8();
        if (prefix === 6) reader.take(2);
        const offset = base + reader.offset;
        keep({type, flags: messageFlags, data: reader.take(size), offset});
      }
    };
    const base = address + first.offset;
    readBlock(first.sub(length), base);
  } else {
    const version = first.u8();
    if (version !== 1) throw damaged(`object header at ${address} has version ${version}; expected 1 or 2`);
    first.take(7);
    const length = first.u32le();
    first.take(4);
    readBlock = (reader, base) => {
      while (reader.remaining >= 8) {
        file.step();
        const type = reader.u16le();
        const size = reader.u16le();
        const flags = reader.u8();
        reader.take(3);
        const offset = base + reader.offset;
        keep({type, flags, data: reader.take(size), offset});
      }
    };
    const base = address + first.offset;
    readBlock(first.sub(length), base);
  }
  for (let block = pending.shift(); block !== undefined; block = pending.shift()) {
    if (visited.has(block.address)) throw damaged(`object header at ${address} continues in a circle`);
    visited.add(block.address);
    if (visited.size > maxBlocks) throw damaged(`object header at ${address} is in over ${maxBlocks} pieces`);
    const reader = file.at(block.address, "object header continuation", block.length);
    if (!isVersion2) {
      readBlock(reader, block.address);
      continue;
    }
    expectSignature(reader, "OCHK", "object header continuation");
    if (block.length < 4 + checksumLength) throw damaged("an object header continuation without room for its checksum");
    readBlock(reader.sub(block.length - 4 - checksumLength), block.address + 4);
  }
  return messages;
}
