// What is between a socket and the packed messages: gzip, in order.

const GZIP_MIN = 1024; // bytes from which a message is gzipped

/** Returns line(make, use): calls use with what make, if any, resolves to, after all before; at once if nothing is under way. */
function line() {
  let last;
  return (make, use) => {
    if (!make && !last) return use();
    const mine = last = Promise.resolve(last).then(make).then(use).catch(console.error).then(() => {
      if (last === mine) last = null;
    });
  };
}

/** One link's. What came before its end is handled before its end is, what was sent is sent before. */
class Wire {
  #ws; #zips; #in = line(); #out = line(); #waits = 0;

  constructor(ws, zips) {
    [this.#ws, this.#zips] = [ws, zips];
    ws.binaryType = "arraybuffer";
  }

  /** Bytes that have not left. */
  get buffered() { return this.#ws.bufferedAmount + this.#waits; }

  send(packed) {
    const bytes = this.#zips ? sizeOf(packed) : 0;
    this.#waits += bytes;
    this.#out(bytes >= GZIP_MIN && (() => gzip(packed).then((z) => (z.length < bytes ? z : packed), () => packed)), (z = packed) => {
      this.#waits -= bytes;
      this.#ws.send(z);
    });
  }

  /** Calls use(data) with what came, or an Error where it cannot be inflated. */
  take(data, most, use) {
    if (typeof data !== "string") data = bytesOf(data);
    this.#in(this.#zips && data[0] === 31 && data[1] === 139 && (() => ungzip(data, most()).catch((e) => e)),
      (plain = data) => use(plain));
  }

  /** Calls f once all that was sent is with the socket. */
  sent(f) { this.#out(0, f); }

  /** Calls f once all that came is handled. */
  heard(f) { this.#in(0, f); }
}
