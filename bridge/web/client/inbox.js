// What comes in: how much it was in the session, and what the sidecar is told of that.

const ACK_ITEMS = 32;
const ACK_MS = 1000;

class Inbox {
  seen = 0; // items of this session
  #stored = Infinity; // of those, what the store has: no more is acknowledged
  #unacked = 0; #used = 0; // since the last acknowledgement; since credit was given last
  #due = false; #timer; #link;

  /** link: {live(), send(text), credit, keeps(): whether this link's items are acknowledged, save()}. */
  constructor(link) { this.#link = link; }

  came(item) { if (counted(item)) this.seen++; }

  /** An item was handled: the sidecar may let go of it, and send another. */
  handled(item) {
    const {credit, keeps, save, live, send} = this.#link;
    if (keeps() && counted(item)) {
      if (++this.#unacked >= ACK_ITEMS) this.#ack();
      else this.#timer ??= setTimeout(() => this.#ack(), ACK_MS);
      save();
    }
    if (!(credit > 0) || !costly(item) || ++this.#used < credit / 2 || !live()) return;
    send(`["sente-lite/credit",${this.#used}]`);
    this.#used = 0;
  }

  /** The store has the first n, Infinity where there is none. */
  saved(n) {
    this.#stored = n;
    if (this.#due) this.#ack();
  }

  /** A session begins, or is gone on with, at n. */
  restart(n) {
    this.seen = n;
    if (this.#stored < Infinity) this.#stored = n;
  }

  /** The link is gone. */
  rest() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    [this.#unacked, this.#used, this.#due] = [0, 0, false]; // the next link says what came, and opens a window
  }

  #ack() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const {live, send} = this.#link;
    const n = Math.min(this.seen, this.#stored);
    this.#due = n < this.seen; // once it is on disk
    if (this.#unacked > this.seen - n && live()) send(`["sente-lite/ack",${n}]`);
    this.#unacked = this.seen - n;
  }
}
