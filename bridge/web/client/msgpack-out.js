// From values to MessagePack.

// What reads back as a keyword behind a colon: a name, or two with a slash between of which none begins with a digit.
const NAME = "(?!['#:])(?:[\\w.*+!?$%&=<>'#\\-]|:(?![:/]|$)|(?![\\0-\\x7f\\ufffd])[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}])+";
const IS_KEYWORD = new RegExp(`^(?:(?!\\d)${NAME}/(?!\\d))?${NAME}$`, "u");
const OWNERS = new Set(["sente-lite/send", "sente-lite/request"]); // their data has an event in it

const encoder = new TextEncoder();

class Output {
  #bytes = new Uint8Array(512); #view = new DataView(this.#bytes.buffer); #n = 0;
  #at = []; // the path to what is being written
  #exact = 0; // inside sets and keys, where a reader's single floats would not equal its doubles

  /** What pack gave, as it is. */
  packed(bytes) { this.#raw(bytes); }

  take() { return this.#bytes.slice(0, this.#n); }

  /** An event, call, reply or bundle: it begins with a name, which is a keyword. */
  item(v, event = false) {
    if (!Array.isArray(v)) return this.value(v);
    const [head] = v;
    this.array(v.length, v, (x, i) => {
      const list = Array.isArray(x) && !event;
      if (i === 0 && typeof x === "string") this.name(x);
      else if (i === 0 && list) this.item(x, true);
      else if (i === 1 && head === "batch/events" && list) this.array(x.length, x, (y) => this.item(y));
      else if (i === 1 && OWNERS.has(head) && plain(x)) this.map(Object.entries(x), (y, key) => this.#owned(y, key));
      else this.value(x, i);
    });
  }

  #owned(v, key) { key === "event" ? this.item(v, true) : this.value(v, key); }

  value(v, key = "") {
    if (typeof v?.toJSON === "function" && !(v instanceof Date)) v = v.toJSON(String(key));
    if (v instanceof Number || v instanceof String || v instanceof Boolean) v = v.valueOf();
    switch (typeof v) {
      case "undefined": return this.#u8(0xc0);
      case "boolean": return this.#u8(v ? 0xc3 : 0xc2);
      case "number": return this.#number(v);
      case "bigint": return this.#bigint(v);
      case "string": return this.#text(v);
      case "object": return v === null ? this.#u8(0xc0) : this.#object(v);
      default: this.#refuse(`a ${typeof v} has no form in MessagePack`);
    }
  }

  #object(v) {
    if (v instanceof ArrayBuffer) return this.#bin(new Uint8Array(v));
    if (ArrayBuffer.isView(v)) return this.#bin(new Uint8Array(v.buffer, v.byteOffset, v.byteLength));
    if (v instanceof Date) return this.#inst(v);
    if (Array.isArray(v)) return this.array(v.length, v, (x, i) => this.value(x, i));
    if (v instanceof Set) return this.#set(v);
    if (v instanceof Map) return this.map([...v], (x, k) => this.value(x, k));
    if (typeof v.arrayBuffer === "function") this.#refuse("a Blob's bytes are not here yet; give await blob.arrayBuffer()");
    if (typeof v.then === "function") this.#refuse("a promise; give what it resolves to");
    this.map(Object.entries(v), (x, k) => this.value(x, k));
  }

  /** A name: a keyword where it reads back as one. */
  name(text) { IS_KEYWORD.test(text) ? this.#ext(KEYWORD, encoder.encode(text)) : this.#text(text); }

  array(n, values, each) {
    this.#head(n, 0x90, 15, 0xdc);
    let i = 0;
    for (const x of values) this.#inside(i, () => each(x, i++));
  }

  map(entries, each) {
    const there = entries.filter(([, x]) => x !== undefined);
    this.#head(there.length, 0x80, 15, 0xde);
    for (const [k, x] of there) {
      this.#inside(k, () => {
        this.#exact++;
        typeof k === "string" ? this.name(k) : this.value(k);
        this.#exact--;
        each(x, k);
      });
    }
  }

  #inside(step, f) {
    if (this.#at.push(step) > MAX_DEPTH) this.#refuse(`more than ${MAX_DEPTH} levels deep, or inside itself`);
    f();
    this.#at.pop();
  }

  #refuse(text) {
    const steps = this.#at.length > 20 ? [...this.#at.slice(0, 20), "…"] : this.#at;
    throw new TypeError(`${JSON.stringify(steps.map((s) => (typeof s === "number" ? s : String(s))))}: ${text}`);
  }

  #room(n) {
    if (this.#n + n <= this.#bytes.length) return;
    const more = new Uint8Array(Math.max(this.#n + n, 2 * this.#bytes.length));
    more.set(this.#bytes);
    [this.#bytes, this.#view] = [more, new DataView(more.buffer)];
  }

  #u8(b) {
    this.#room(1);
    this.#bytes[this.#n++] = b;
  }

  /** A byte, and a number of that many bytes by the DataView's setter. */
  #put(b, size, set, v) {
    this.#u8(b);
    this.#room(size);
    this.#view[set](this.#n, v);
    this.#n += size;
  }

  #raw(bytes) {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#n);
    this.#n += bytes.length;
  }

  /** The head of a collection: fix up to most, then wide with 16 bits, wide + 1 with 32. */
  #head(n, fix, most, wide) {
    if (n <= most) this.#u8(fix | n);
    else if (n < 65536) this.#put(wide, 2, "setUint16", n);
    else this.#put(wide + 1, 4, "setUint32", n);
  }

  #number(v) {
    const {abs, fround} = Math;
    if (Number.isInteger(v) && !Object.is(v, -0) && abs(v) < 2 ** 63) {
      if (v >= 0 ? v < 128 : v >= -32) this.#u8(v & 255);
      else if (v >= 2 ** 32 || v < -(2 ** 31)) this.#put(0xd3, 8, "setBigInt64", BigInt(v));
      else if (v >= 65536) this.#put(0xce, 4, "setUint32", v);
      else if (v >= 256) this.#put(0xcd, 2, "setUint16", v);
      else if (v >= 0) this.#put(0xcc, 1, "setUint8", v);
      else if (v >= -128) this.#put(0xd0, 1, "setInt8", v);
      else if (v >= -32768) this.#put(0xd1, 2, "setInt16", v);
      else this.#put(0xd2, 4, "setInt32", v);
    } else if (Number.isNaN(v)) this.#put(0xcb, 8, "setBigInt64", 0x7ff8000000000000n);
    else if (fround(v) === v && !this.#exact) this.#put(0xca, 4, "setFloat32", v);
    else this.#put(0xcb, 8, "setFloat64", v);
  }

  #bigint(v) {
    if (BigInt.asIntN(64, v) !== v) this.#ext(EDN_TEXT, encoder.encode(`${v}N`));
    else if (Number.isSafeInteger(Number(v))) this.#number(Number(v));
    else this.#put(0xd3, 8, "setBigInt64", v);
  }

  #text(v) {
    if (/\p{Surrogate}/u.test(v)) this.#refuse("text with half of a surrogate pair");
    const bytes = encoder.encode(v);
    if (bytes.length > 31 && bytes.length < 256) this.#put(0xd9, 1, "setUint8", bytes.length);
    else this.#head(bytes.length, 0xa0, 31, 0xda);
    this.#raw(bytes);
  }

  #bin(bytes) {
    if (bytes.length < 256) this.#put(0xc4, 1, "setUint8", bytes.length);
    else this.#head(bytes.length, 0, -1, 0xc5);
    this.#raw(bytes);
  }

  #inst(v) {
    const ms = v.getTime();
    if (Number.isNaN(ms)) this.#refuse("an invalid Date");
    const content = new DataView(new ArrayBuffer(12));
    content.setUint32(0, (ms - 1000 * Math.floor(ms / 1000)) * 1e6);
    content.setBigInt64(4, BigInt(Math.floor(ms / 1000)));
    this.#ext(INST, new Uint8Array(content.buffer));
  }

  #set(v) {
    const inner = new Output();
    [inner.#at, inner.#exact] = [this.#at, 1];
    inner.array(v.size, v, (x) => inner.value(x));
    this.#ext(SET, inner.take());
  }

  #ext(id, content) {
    const fix = [1, 2, 4, 8, 16].indexOf(content.length);
    if (fix >= 0) this.#u8(0xd4 + fix);
    else if (content.length < 256) this.#put(0xc7, 1, "setUint8", content.length);
    else this.#head(content.length, 0, -1, 0xc8);
    this.#u8(id & 255);
    this.#raw(content);
  }
}

/**
 * Packs an event, call, reply or bundle into a Uint8Array. Names that events begin with, and keys of objects, are
 * keywords where they read back as one; other strings are strings. Uint8Array, ArrayBuffer and their like are bytes, Date
 * an instant, bigint an integer of any size, Set a set, Map a map of any keys; undefined is as in JSON. The TypeError for
 * what has no form says where it is: '["chat/msg",…]' has its path.
 */
function pack(item) {
  const out = new Output();
  out.item(item);
  return out.take();
}

const plain = (v) => v !== null && typeof v === "object" && [Object.prototype, null].includes(Object.getPrototypeOf(v));

/** The bundle of what pack gave. It has no cached keys, so that what is packed stands anywhere. */
function join(packed) {
  const out = new Output();
  out.array(2, ["batch/events"], (head) => out.name(head));
  out.array(packed.length, packed, (p) => out.packed(p));
  return out.take();
}
