// What goes out: one list in order, whose head has been written and is not acknowledged, and whose tail waits.

const utf8 = new TextEncoder();
const FREE = /^(chsk\/|sente-lite\/(ack|credit|ready|error|open|close|reconnect)$)/;
const UNCOUNTED = /^(chsk\/(handshake|ws-ping|ws-pong|close)|sente-lite\/(ack|credit|ready|hello))$/;

/** Whether an item has a number in its direction: a call is counted whatever its event, a ping aside. */
function counted(item) {
  if (!Array.isArray(item)) return true;
  if (Array.isArray(item[0])) return item[1] === null ? counted(item[0]) : item[0][0] !== "chsk/ws-ping";
  return !UNCOUNTED.test(item[0]);
}

/** Whether an item of the sidecar's costs one of the credit that we gave. */
function costly(item) {
  const event = Array.isArray(item) && Array.isArray(item[0]) ? item[0] : item;
  return Array.isArray(event) && typeof event[0] === "string" && !FREE.test(event[0]);
}

const paid = ({kind, id}) => kind !== "reply" && !FREE.test(id);

/**
 * Items are {text (or packed bytes), bytes, id, kind: "event" | "call" | "reply", at, n, cb, expiresAt}; n is an item's number in the
 * session, 0 until it has one. The n of items is consecutive: one that has a number is never taken out of the middle.
 */
class Outbox {
  items = [];
  acked = 0; // the sidecar has these: they have left the list
  sent = 0; // the last number given
  written = 0; // the last number written to this link
  committed = Infinity; // the last number that the store has: none is written before
  keeps = false; // whether this link's items stay until they are acknowledged
  credit = Infinity; // events and calls that the sidecar takes
  #bytes = {kept: 0, waiting: 0};

  constructor(max) { this.max = max; }

  /** How many were never written. */
  get waiting() { return this.items.length - this.sent + this.acked; }

  /** Whether there is room behind what waits, and more bytes in the socket's own buffer. One item alone may have any size. */
  full(bytes, buffered) {
    const before = this.#bytes.waiting + buffered;
    return this.waiting >= this.max.items || (before > 0 && before + bytes > this.max.bytes);
  }

  /** Adds an item at the end, or with first ahead of everything that was never written. */
  add(item, first = false) {
    Object.assign(item, {at: Date.now(), n: 0});
    this.items.splice(first ? this.sent - this.acked : this.items.length, 0, item);
    this.#bytes.waiting += item.bytes;
    return item;
  }

  /** Takes out what has no number and passes the test; returns it. */
  remove(test) {
    const out = this.items.filter((i) => i.n === 0 && test(i));
    if (out.length > 0) this.items = this.items.filter((i) => !out.includes(i));
    for (const i of out) this.#bytes.waiting -= i.bytes;
    return out;
  }

  #number(i) {
    i.n = ++this.sent;
    this.#bytes.waiting -= i.bytes;
    this.#bytes.kept += i.bytes;
  }

  /** Gives numbers to what may go, for the store to have first. True where there was something. */
  claim() {
    const {sent} = this;
    for (const i of this.next(Infinity, Infinity, Infinity)) if (i.n === 0) this.#number(i);
    return this.sent > sent;
  }

  /** The next items that may be written together: at most size of them, within bytes unless it is one alone. */
  next(size, bytes, committed = this.committed) {
    const out = [];
    let {credit} = this;
    let {kept} = this.#bytes;
    for (let k = this.written - this.acked; k < this.items.length && out.length < size; k++) {
      const i = this.items[k];
      if (committed < Infinity && (i.n === 0 || i.n > committed)) break;
      if (i.n === 0 && this.keeps && k > 0 && (k >= this.max.items || (kept += i.bytes) > this.max.bytes)) break;
      bytes -= i.bytes + 1;
      if (out.length > 0 && bytes < 0) break;
      if (paid(i) && --credit < 0) break; // what stands behind it waits with it
      out.push(i);
    }
    return out;
  }

  /** Notes that what next gave was written. */
  wrote(items) {
    for (const i of items) {
      if (i.n === 0) this.#number(i);
      if (paid(i)) this.credit--;
    }
    this.written += items.length;
    if (!this.keeps) this.ack(this.written);
  }

  /** Lets go of what the sidecar has. False where it names what was never written. */
  ack(n) {
    if (!Number.isInteger(n) || n < this.acked || n > this.written) return false;
    for (const i of this.items.splice(0, n - this.acked)) this.#bytes.kept -= i.bytes;
    this.acked = n;
    return true;
  }

  /** Goes on with a session of which the sidecar has n items: the rest is written again. False where that cannot be. */
  resume(n) {
    this.written = this.sent;
    const fits = this.ack(n);
    this.written = this.acked;
    return fits;
  }

  /** Begins a session: all numbers are anew. Returns what the sidecar may or may not have, which is not sent again. */
  restart() {
    const unsure = this.items.splice(0, this.sent - this.acked);
    this.#bytes.kept = this.acked = this.sent = this.written = 0;
    return unsure.concat(this.remove((i) => i.kind === "reply")); // to calls of the session before
  }

  /** Puts what a store kept ahead of what is there. */
  restore({items, acked, sent}) {
    this.items.unshift(...items);
    Object.assign(this, {acked, sent, written: acked, committed: sent});
    for (const i of items) this.#bytes[i.n > 0 ? "kept" : "waiting"] += i.bytes;
  }
}
