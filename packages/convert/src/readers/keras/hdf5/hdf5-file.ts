/**
 * The part of HDF5 that h5py and Keras write, read strictly and within bounds (File Format Specification 3.0): groups of
 * both kinds, attributes wherever they are kept, datasets of numbers. Nothing is read before it is asked for.
 */
import {ByteReader} from "@tf-trusted/core";
import type {Tensor} from "@tf-trusted/tensor";
import {
  damaged,
  decodeText,
  FileBytes,
  guard,
  readAddress,
  readUnsigned,
  undefinedAddress,
  unsupported,
  untilZero,
} from "./cursor.ts";
import {readData} from "./dataset.ts";
import {type Datatype, readDataspace, readDatatype} from "./datatype.ts";
import {stringsOf, tensorOf} from "./elements.ts";
import {GlobalHeaps, openFractalHeap, openLocalHeap} from "./heaps.ts";
import {type HeaderMessage, messageTypes, readObjectHeader} from "./object-header.ts";
import {readRecords, readSymbols} from "./trees.ts";

/** A group or dataset. Paths are relative, with `/`. Everything throws `CONVERT_HDF5` and `CONVERT_LIMIT`. */
export interface Hdf5Object {
  readonly path: string;
  readonly isDataset: boolean;
  /** Names of the members of a group, in the order of the file's index. */
  names(): readonly string[];
  /** `undefined` where there is no such member. */
  open(path: string): Hdf5Object | undefined;
  hasAttribute(name: string): boolean;
  /** Strings of an attribute, a scalar as one; `undefined` where there is none of that name. */
  strings(name: string): readonly string[] | undefined;
  /** Shape of a dataset. */
  shape(): readonly number[];
  /** All elements of a dataset: a view of the file where they lie there in one piece. */
  tensor(): Tensor;
}

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

export const isHdf5 = (bytes: Uint8Array): boolean => signature.every((byte, i) => bytes[i] === byte);

/** The root group. `maxBytes` bounds what is made of compressed data. Throws `CONVERT_HDF5`. */
export function openHdf5(bytes: Uint8Array, maxBytes: number): Hdf5Object {
  if (!isHdf5(bytes)) throw damaged("no signature of HDF5");
  return guard(() => {
    const file = new FileBytes(bytes, maxBytes);
    return new OpenedObject({file, heaps: new GlobalHeaps(file)}, readSuperblock(file), "");
  });
}

/** §II. Gives the address of the root group. */
function readSuperblock(file: FileBytes): number {
  const reader = file.at(0, "superblock");
  reader.take(signature.length);
  const version = reader.u8();
  if (version > 3) throw unsupported(`a superblock of version ${version}`);
  if (version < 2) reader.take(4);
  const [offsetSize, lengthSize] = [reader.u8(), reader.u8()];
  if (offsetSize !== 8 || lengthSize !== 8)
    throw unsupported(`addresses of ${offsetSize} and lengths of ${lengthSize} bytes`);
  if (version < 2) reader.take(1 + 4 + 4 + (version === 1 ? 4 : 0));
  else reader.u8();
  const base = readAddress(reader);
  if (base !== 0) throw unsupported("a user block before the data");
  readAddress(reader);
  const end = readAddress(reader);
  if (end > file.bytes.length) throw damaged(`the file has ${file.bytes.length} of ${end} bytes; is it complete?`);
  if (version < 2) {
    readAddress(reader);
    reader.take(8);
  }
  return readAddress(reader);
}

interface Context {
  readonly file: FileBytes;
  readonly heaps: GlobalHeaps;
}

interface Attribute {
  readonly type: Datatype;
  readonly shape: readonly number[] | undefined;
  readonly data: Uint8Array;
}

class OpenedObject implements Hdf5Object {
  readonly path: string;
  readonly #context: Context;
  readonly #messages: readonly HeaderMessage[];
  #members: ReadonlyMap<string, number | undefined> | undefined;
  #attributes: ReadonlyMap<string, () => Attribute> | undefined;

  constructor(context: Context, address: number, path: string) {
    this.#context = context;
    this.path = path;
    this.#messages = readObjectHeader(context.file, address);
  }

  get isDataset(): boolean {
    return this.#message(messageTypes.layout) !== undefined;
  }

  names(): readonly string[] {
    return [...this.#readMembers().keys()];
  }

  open(path: string): Hdf5Object | undefined {
    let found: OpenedObject = this;
    for (const name of path.split("/").filter((part) => part !== "")) {
      const members: ReadonlyMap<string, number | undefined> = found.#readMembers();
      if (!members.has(name)) return undefined;
      const address = members.get(name);
      const at = `${found.path}/${name}`;
      if (address === undefined) throw unsupported(`a soft or external link (${at})`);
      found = guard(() => new OpenedObject(this.#context, address, at));
    }
    return found;
  }

  hasAttribute(name: string): boolean {
    return this.#readAttributes().has(name);
  }

  strings(name: string): readonly string[] | undefined {
    return guard(() => {
      const attribute = this.#readAttributes().get(name)?.();
      if (attribute === undefined) return undefined;
      const {type, shape, data} = attribute;
      const count = (shape ?? [0]).reduce((product, dim) => product * dim, 1);
      // h5py writes an empty list of names as no numbers.
      if (count === 0) return [];
      if (count * type.size > data.length) throw damaged(`the attribute "${name}" of ${this.path} is cut off`);
      return stringsOf(type, count, data, this.#context.heaps);
    });
  }

  shape(): readonly number[] {
    return guard(() => {
      const message = this.#message(messageTypes.dataspace);
      if (message === undefined) throw damaged(`${this.path} isn't a dataset`);
      const shape = readDataspace(new ByteReader(message.data, "dataspace", message.offset));
      if (shape === undefined) throw unsupported(`an empty dataspace (${this.path})`);
      return shape;
    });
  }

  tensor(): Tensor {
    return guard(() => {
      const message = this.#message(messageTypes.datatype);
      if (message === undefined) throw damaged(`${this.path} isn't a dataset`);
      const type = readDatatype(new ByteReader(message.data, "datatype", message.offset));
      const shape = this.shape();
      const data = readData(this.#context.file, this.#messages, shape, type.size, this.path);
      const declared = type.kind === "opaque" ? this.strings("dtype")?.[0] : undefined;
      return tensorOf(type, shape, data, declared);
    });
  }

  #message(type: number): HeaderMessage | undefined {
    return this.#messages.find((each) => each.type === type);
  }

  /** Addresses by name; `undefined` for links that lead elsewhere. */
  #readMembers(): ReadonlyMap<string, number | undefined> {
    this.#members ??= guard(() => {
      const {file} = this.#context;
      const members = new Map<string, number | undefined>();
      const add = (name: string, address: number | undefined) => {
        if (members.has(name)) throw damaged(`${this.path || "the root"} has two members "${name}"`);
        members.set(name, address);
      };
      const table = this.#message(messageTypes.symbolTable);
      if (table !== undefined) {
        const reader = new ByteReader(table.data, "symbol table message", table.offset);
        const tree = readAddress(reader);
        const nameAt = openLocalHeap(file, readAddress(reader));
        for (const {nameOffset, address, isSoft} of readSymbols(file, tree)) {
          add(nameAt(nameOffset), isSoft ? undefined : address);
        }
      }
      for (const message of this.#messages) {
        if (message.type === messageTypes.link) addLink(new ByteReader(message.data, "link", message.offset), add);
      }
      for (const reader of this.#dense(messageTypes.linkInfo, (record) => record.subarray(4))) addLink(reader, add);
      return members;
    });
    return this.#members;
  }

  #readAttributes(): ReadonlyMap<string, () => Attribute> {
    this.#attributes ??= guard(() => {
      const found = this.#messages
        .filter(({type}) => type === messageTypes.attribute)
        .map(({data, offset}) => new ByteReader(data, "attribute", offset));
      const all = [...found, ...this.#dense(messageTypes.attributeInfo, (record) => record.subarray(0, 8))];
      return new Map(all.map(readAttribute));
    });
    return this.#attributes;
  }

  /** Messages that lie in a fractal heap, by a B-tree whose records have the heap IDs. */
  #dense(type: number, heapId: (record: Uint8Array) => Uint8Array): readonly ByteReader[] {
    const info = this.#message(type);
    if (info === undefined) return [];
    const reader = new ByteReader(info.data, "storage of many messages", info.offset);
    reader.u8();
    if ((reader.u8() & 1) !== 0) reader.take(type === messageTypes.linkInfo ? 8 : 2);
    const heap = readAddress(reader);
    const tree = readAddress(reader);
    if (heap === undefinedAddress || tree === undefinedAddress) return [];
    const open = openFractalHeap(this.#context.file, heap);
    return readRecords(this.#context.file, tree).map((record) => open(heapId(record)));
  }
}

/** §IV.A.2.g. */
function addLink(reader: ByteReader, add: (name: string, address: number | undefined) => void): void {
  if (reader.u8() !== 1) throw damaged("a link of unknown version");
  const flags = reader.u8();
  const type = (flags & 0x08) !== 0 ? reader.u8() : 0;
  if ((flags & 0x04) !== 0) reader.take(8);
  if ((flags & 0x10) !== 0) reader.take(1);
  const name = decodeText(reader.take(readUnsigned(reader, 1 << (flags & 3))), "a name in the HDF5 file");
  add(name, type === 0 ? readAddress(reader) : undefined);
}

/** §IV.A.2.m. What the value is of is read when it is asked for: attributes of other types may stand beside ours. */
function readAttribute(reader: ByteReader): readonly [string, () => Attribute] {
  const version = reader.u8();
  if (version < 1 || version > 3) throw damaged(`an attribute of version ${version}`);
  const flags = reader.u8();
  const sizes = [reader.u16le(), reader.u16le(), reader.u16le()] as const;
  if (version === 3) reader.u8();
  const padded = (size: number) => (version === 1 ? Math.ceil(size / 8) * 8 : size);
  const [name, type, space] = sizes.map((size) => {
    const bytes = reader.take(padded(size));
    return bytes.subarray(0, size);
  }) as [Uint8Array, Uint8Array, Uint8Array];
  const data = reader.rest();
  const read = (): Attribute => {
    if (version > 1 && (flags & 3) !== 0) throw unsupported("an attribute of a named datatype");
    return {
      type: readDatatype(new ByteReader(type, "datatype")),
      shape: readDataspace(new ByteReader(space, "dataspace")),
      data,
    };
  };
  return [decodeText(untilZero(name), "the name of an attribute"), read];
}
