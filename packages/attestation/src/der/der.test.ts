/** Strictness by X.690 §8, §10, §11: each row is a way in which lenient readers were fooled. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {parseHex} from "@tf-trusted/core";
import fc from "fast-check";
import {DerReader, derTag, readSingle} from "./reader.ts";
import {
  derBitString,
  derBoolean,
  derExplicit,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTime,
  derUtf8String,
} from "./writer.ts";

function reader(hex: string): DerReader {
  return new DerReader(parseHex(hex.replaceAll(" ", "")), "t");
}

const refused: Readonly<Record<string, readonly [hex: string, read: (reader: DerReader) => unknown]>> = {
  "indefinite length": ["30 80 05 00 00 00", (r) => r.value()],
  "length of five bytes": ["04 85 00 00 00 00 01 aa", (r) => r.value()],
  "long form for a short length": ["04 81 01 aa", (r) => r.value()],
  "length with a leading zero": [`04 82 00 80 ${"00".repeat(128)}`, (r) => r.value()],
  "length beyond the end": ["04 05 aa", (r) => r.value()],
  "length without bytes": ["04 82 01", (r) => r.value()],
  "tag number above 30": ["1f 01 00", (r) => r.value()],
  "another tag": ["04 00", (r) => r.value(derTag.SEQUENCE)],
  nothing: ["", (r) => r.value()],
  "BOOLEAN of 1": ["01 01 01", (r) => r.boolean()],
  "BOOLEAN of two bytes": ["01 02 ff ff", (r) => r.boolean()],
  "INTEGER without content": ["02 00", (r) => r.unsigned(4)],
  "INTEGER with a leading zero": ["02 02 00 01", (r) => r.unsigned(4)],
  "INTEGER with leading ones": ["02 02 ff 80", (r) => r.unsigned(4)],
  "negative INTEGER": ["02 01 80", (r) => r.unsigned(4)],
  "INTEGER too long": ["02 05 01 00 00 00 00", (r) => r.unsigned(4)],
  "INTEGER too large": ["02 02 01 00", (r) => r.smallInteger(255)],
  "negative ENUMERATED": ["0a 01 ff", (r) => r.enumerated(255)],
  "ENUMERATED too large": ["0a 01 03", (r) => r.enumerated(2)],
  "BIT STRING without content": ["03 00", (r) => r.bitString()],
  "BIT STRING with 8 unused bits": ["03 02 08 00", (r) => r.bitString()],
  "BIT STRING with unused bits set": ["03 02 01 01", (r) => r.bitString()],
  "empty BIT STRING with unused bits": ["03 01 01", (r) => r.bitString()],
  "BIT STRING of no whole bytes": ["03 02 01 02", (r) => r.bitStringBytes()],
  "OCTET STRING of another length": ["04 01 00", (r) => r.octetString(2)],
  "OID without content": ["06 00", (r) => r.oid()],
  "OID arc with leading zeros": ["06 02 80 01", (r) => r.oid()],
  "OID that is cut off": ["06 02 2a 86", (r) => r.oid()],
  "OID arc above 2^53": ["06 0a 2a ff ff ff ff ff ff ff ff 7f", (r) => r.oid()],
  "UTCTime without seconds": ["17 0b 323630333031303030305a", (r) => r.time()],
  "UTCTime with an offset": ["17 11 3236303330313030303030302b30303030", (r) => r.time()],
  "UTCTime of 31 February": ["17 0d 3236303233313030303030305a", (r) => r.time()],
  "UTCTime of 24 o'clock": ["17 0d 3236303330313234303030305a", (r) => r.time()],
  "GeneralizedTime with fractions": ["18 11 32303236303330313030303030302e355a", (r) => r.time()],
  "UTF8String with an overlong form": ["0c 02 c0 80", (r) => r.text()],
  "PrintableString with an at sign": ["13 01 40", (r) => r.text()],
  "IA5String above 7f": ["16 02 c3 a9", (r) => r.text()],
  "a string of another type": ["04 01 41", (r) => r.text()],
  "time of another tag": ["13 0d 3236303330313030303030305a", (r) => r.time()],
};

test("what isn't DER is refused", async (context) => {
  for (const [name, [hex, read]] of Object.entries(refused)) {
    await context.test(name, () => {
      assert.throws(
        () => read(reader(hex)),
        (error: {code?: string}) => error.code === "DER_INVALID" || error.code === "BYTES_TRUNCATED",
      );
    });
  }
});

test("trailing bytes are refused", () => {
  assert.throws(() => readSingle(parseHex("300000"), derTag.SEQUENCE, "t"), {code: "BYTES_TRAILING"});
});

test("what is written is read back", () => {
  const bytes = fc.uint8Array({maxLength: 300});
  fc.assert(
    fc.property(bytes, fc.nat({max: 0xffffffff}), fc.boolean(), fc.string(), (content, number, flag, text) => {
      const written = derSequence(
        derOctetString(content),
        derInteger(number),
        derBoolean(flag),
        derUtf8String(text),
        derBitString(content),
        derExplicit(3, derInteger(number)),
      );
      const outer = new DerReader(written, "t");
      const inner = outer.sequence("s");
      outer.end();
      assert.deepEqual(inner.octetString(), content);
      assert.equal(inner.smallInteger(0xffffffff), number);
      assert.equal(inner.boolean(), flag);
      assert.equal(inner.text(), text.toWellFormed());
      assert.deepEqual(inner.bitStringBytes(), content);
      assert.equal(inner.inside(0xa3, "e").smallInteger(0xffffffff), number);
      inner.end();
    }),
  );
});

test("object identifiers and times are read back", () => {
  const arcs = fc.tuple(fc.nat({max: 1}), fc.nat({max: 39}), fc.array(fc.nat(), {maxLength: 6}));
  fc.assert(
    fc.property(arcs, ([first, second, rest]) => {
      const dotted = [first, second, ...rest].join(".");
      assert.equal(new DerReader(derOid(dotted), "t").oid(), dotted);
    }),
  );
  assert.equal(reader("06 03 88 37 03").oid(), "2.999.3");
  const times = fc.date({
    min: new Date("1950-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59Z"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(times, (date) => {
      const seconds = Math.floor(date.getTime() / 1000) * 1000;
      assert.equal(new DerReader(derTime(new Date(seconds)), "t").time(), seconds);
    }),
  );
});
