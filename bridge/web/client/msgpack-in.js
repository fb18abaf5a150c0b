// From MessagePack to values.

const decoder = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true});
const base64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));

/** What unpack makes of each kind. A key is [its text, its EDN text]. */
const VALUES = {
  word: (v) => v,
  int: (v) => (typeof v === "number" || Number.isSafeInteger(Number(v)) ? Number(v) : String(v)),
  float: (v) => v,
  text: (v) => v,
  bytes: (v) => v.slice(),
  many: (id, all) => all,
  map(entries) {
    const out = {};
    for (const [[text, edn], v] of entries) {
      const key = Object.hasOwn(out, text) ? edn : text; // {:a 1 "a" 2} has both
      if (Object.hasOwn(out, key)) throw new TypeError(`a map has the key ${edn} twice`);
      if (key !== "__proto__") out[key] = v;
      else Object.defineProperty(out, key, {value: v, enumerable: true, writable: true, configurable: true});
    }
    return out;
  },
  name: (id, text) => text,
  inst: (seconds, nanos) => new Date(seconds * 1000 + Math.floor(nanos / 1e6)),
  edn: (text) => (/^[-+]?\d[\d.eE+-]*[NM]$/.test(text) ? text.slice(0, -1) : text),
  other: (id, bytes) => [id, bytes.slice()],
};

const CHARS = new Map([["\n", "newline"], [" ", "space"], ["\r", "return"], ["\t", "tab"]]);

/** The EDN text of each kind, for keys that are neither text nor keyword. */
const TEXTS = {
  word: (v) => (v === null ? "nil" : String(v)),
  int: String,
  float: (v) => (Number.isFinite(v) ? String(v).replace(/^(-?\d+)(e|$)/, "$1.0$2") : "##" + String(v).replace("inity", "")),
  text: (v) => JSON.stringify(v),
  bytes: (v) => `#sente-lite/bytes "${base64(v)}"`,
  many: (id, all) => (id === SET ? `#{${all.join(" ")}}` : id === LIST ? `(${all.join(" ")})` : `[${all.join(" ")}]`),
  map: (entries) => `{${entries.map(([[, edn], v]) => `${edn} ${v}`).join(", ")}}`,
  name: (id, text) => (id === KEYWORD ? ":" + text : id === CHAR ? "\\" + (CHARS.get(text) ?? text) : id === UUID ? `#uuid "${text}"` : text),
  inst: (seconds, nanos) => `#inst "${rfc3339(seconds, nanos)}"`,
  edn: (text) => text,
  other: (id, bytes) => `#sente-lite/ext [${id} "${base64(bytes)}"]`,
};

function rfc3339(seconds, nanos) {
  const fraction = nanos ? "." + String(nanos).padStart(9, "0").replace(/(000)+$/, "") : "";
  return new Date(seconds * 1000).toISOString().replace(".000Z", fraction + "Z");
}

class Input {
  #bytes; #view; #pos = 0; #end; #depth = 0;
  #keys = []; // the key cache: keywords and strings in the order in which keys have them

  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length;
  }

  message() {
    const v = this.#value(VALUES);
    if (this.#pos < this.#end) throw this.#bad(`${this.#end - this.#pos} bytes follow the value`);
    return v;
  }

  #bad(text) { return new TypeError(`MessagePack, byte ${this.#pos}: ${text}`); }

  /** Moves over n bytes; returns where they begin. */
  #over(n) {
    const at = this.#pos;
    if (n > this.#end - at) throw this.#bad(`${n} bytes are announced, there are ${this.#end - at}`);
    this.#pos += n;
    return at;
  }

  #uint(size) {
    const at = this.#over(size);
    return size === 1 ? this.#view.getUint8(at) : size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #part(n) {
    const at = this.#over(n);
    return this.#bytes.subarray(at, at + n);
  }

  #text(n) { return decoder.decode(this.#part(n)); }

  #value(as) {
    const b = this.#uint(1);
    if (b < 0x80) return as.int(b);
    if (b < 0x90) return this.#map(b & 15, as);
    if (b < 0xa0) return this.#many(b & 15, as);
    if (b < 0xc0) return as.text(this.#text(b & 31));
    if (b >= 0xe0) return as.int(b - 256);
    const [v, size] = [this.#view, 1 << (b & 3)];
    switch (b) {
      case 0xc0: return as.word(null);
      case 0xc2: case 0xc3: return as.word(b === 0xc3);
      case 0xc4: case 0xc5: case 0xc6: return as.bytes(this.#part(this.#uint(1 << (b - 0xc4))));
      case 0xca: return as.float(v.getFloat32(this.#over(4)));
      case 0xcb: return as.float(v.getFloat64(this.#over(8)));
      case 0xcc: case 0xcd: case 0xce: return as.int(this.#uint(size));
      case 0xcf: return as.int(v.getBigUint64(this.#over(8)));
      case 0xd0: return as.int(v.getInt8(this.#over(1)));
      case 0xd1: return as.int(v.getInt16(this.#over(2)));
      case 0xd2: return as.int(v.getInt32(this.#over(4)));
      case 0xd3: return as.int(v.getBigInt64(this.#over(8)));
      case 0xd9: case 0xda: case 0xdb: return as.text(this.#text(this.#uint(1 << (b - 0xd9))));
      case 0xdc: case 0xdd: return this.#many(this.#uint(b === 0xdc ? 2 : 4), as);
      case 0xde: case 0xdf: return this.#map(this.#uint(b === 0xde ? 2 : 4), as);
      case 0xc1: throw this.#bad("c1 begins nothing");
    }
    return this.#extension(b, as);
  }

  #deeper(n, each) {
    if (n > this.#end - this.#pos) throw this.#bad(`${n} values are announced, there are ${this.#end - this.#pos} bytes`);
    if (++this.#depth > MAX_DEPTH) throw this.#bad(`more than ${MAX_DEPTH} levels deep`);
    const all = [];
    for (let i = 0; i < n; i++) all.push(each());
    this.#depth--;
    return all;
  }

  #many(n, as, id) { return as.many(id, this.#deeper(n, () => this.#value(as))); }

  #map(n, as) { return as.map(this.#deeper(n, () => [this.#key(), this.#value(as)])); }

  /** The id of the extension that comes next, undefined where none does. */
  #id() {
    const b = this.#bytes[this.#pos];
    const at = this.#pos + (b >= 0xd4 && b <= 0xd8 ? 1 : b >= 0xc7 && b <= 0xc9 ? 1 + (1 << (b - 0xc7)) : Infinity);
    return at < this.#end ? this.#view.getInt8(at) : undefined;
  }

  /** [text, EDN text], the latter for where two keys have the same text. */
  #key() {
    const [at, b, id] = [this.#pos, this.#bytes[this.#pos], this.#id()];
    if (id === CACHED && b === 0xd4) {
      this.#pos += 2;
      const known = this.#keys[this.#uint(1)];
      if (!known) throw this.#bad("no such cached key");
      return known;
    }
    const edn = this.#value(TEXTS);
    const cached = id === KEYWORD || (b >= 0xa0 && b < 0xc0) || (b >= 0xd9 && b <= 0xdb);
    if (!cached && ![CHAR, UUID, INST].includes(id)) return [edn, edn];
    const end = this.#pos;
    this.#pos = at;
    const v = this.#value(VALUES);
    const key = [id === INST ? edn.slice(7, -1) : v, edn];
    this.#pos = end;
    if (cached && this.#keys.length < 256) this.#keys.push(key);
    return key;
  }

  #extension(b, as) {
    const n = b >= 0xd4 ? 1 << (b - 0xd4) : this.#uint(1 << (b - 0xc7));
    const id = this.#view.getInt8(this.#over(1));
    switch (id) {
      case KEYWORD: case SYMBOL: case CHAR: case UUID: return as.name(id, this.#text(n));
      case EDN_TEXT: return as.edn(this.#text(n));
      case RATIO: return this.#within(n, () => as.name(id, `${this.#value(TEXTS)}/${this.#value(TEXTS)}`));
      case SET: case LIST: return this.#within(n, () => {
        const head = this.#uint(1);
        if ((head & 0xf0) === 0x90) return this.#many(head & 15, as, id);
        if (head === 0xdc || head === 0xdd) return this.#many(this.#uint(head === 0xdc ? 2 : 4), as, id);
        throw this.#bad("a set or list holds an array");
      });
      case INST: {
        if (n !== 12) throw this.#bad("an instant has 12 bytes");
        const at = this.#over(12);
        return as.inst(Number(this.#view.getBigInt64(at + 4)), this.#view.getUint32(at));
      }
      case CACHED: throw this.#bad("a cached key is no value");
      default: return as.other(id, this.#part(n));
    }
  }

  /** What f reads must be n bytes. */
  #within(n, f) {
    const [end, outer] = [this.#pos + n, this.#end];
    if (end > outer) throw this.#bad(`${n} bytes are announced, there are ${outer - this.#pos}`);
    this.#end = end;
    const v = f();
    if (this.#pos !== end) throw this.#bad(`${end - this.#pos} bytes of an extension are left`);
    this.#end = outer;
    return v;
  }
}

/**
 * Unpacks one message. Keywords are strings, "ns/name"; symbols, characters, uuids and ratios are their text, sets and
 * lists arrays, integers beyond 2^53 and decimals text, all as the JSON packer has them. Bytes are a Uint8Array, instants
 * a Date, ##NaN and ##Inf numbers; what only EDN can say is its EDN text; unknown extensions are [id, Uint8Array]. Keys
 * that are no text are their EDN text, and so is a key that would be there already: "a" and :a are two.
 */
function unpack(bytes) {
  if (typeof bytes === "string") throw new TypeError("MessagePack is bytes, and this is text");
  return new Input(bytes).message();
}

/** Whether what cannot be read may be a bundle. */
function bundles(bytes) {
  return typeof bytes === "string" || String.fromCharCode(...bytes.subarray(0, 20)).includes("batch/events");
}
