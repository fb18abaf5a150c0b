// What comes in: how much it was in the session, and what the sidecar is told of that.

const ACK_ITEMS = 32;
const ACK_MS = 1000;
const WORK_MS = 5000; // the longest that a handler's promise holds up the credit of its event

class Inbox {
  seen = 0; // items of this session
  #stored = Infinity; // of those, what the store has: no more is acknowledged
  #unacked = 0; #used = 0; // since the last acknowledgement; since credit was given last
  #due = false; #timer; #link;
  #working = new Set(); // what gives the credit of an item whose handlers are not done

  /** link: {live(), send(item), credit, keeps(): whether this link's items are acknowledged, save(), asks(): a call is open}. */
  constructor(link) { this.#link = link; }

  came(item) { if (counted(item)) this.seen++; }

  /**
   * An item was taken: the sidecar may let go of it, and send another once doing, a promise if there is one, is settled.
   * While a call of ours is open nothing waits: its reply may stand behind what waits for this credit.
   */
  handled(item, doing) {
    const {credit, keeps, save, asks} = this.#link;
    if (keeps() && counted(item)) {
      if (++this.#unacked >= ACK_ITEMS) this.#ack();
      else this.#timer ??= setTimeout(() => this.#ack(), ACK_MS);
      save();
    }
    if (!(credit > 0) || !costly(item)) return;
    if (!doing || asks()) return this.#give();
    const done = () => {
      clearTimeout(timer);
      if (this.#working.delete(done)) this.#give();
    };
    const timer = setTimeout(done, WORK_MS);
    this.#working.add(done);
    doing.then(done);
  }

  /** A call of ours is open now. */
  asked() { for (const done of this.#working) done(); }

  #give() {
    const {credit, live, send} = this.#link;
    if (++this.#used < credit / 2 || !live()) return;
    send(["sente-lite/credit", this.#used]);
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
    this.asked();
    [this.#unacked, this.#used, this.#due] = [0, 0, false]; // the next link says what came, and opens a window
  }

  #ack() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const {live, send} = this.#link;
    const n = Math.min(this.seen, this.#stored);
    this.#due = n < this.seen; // once it is on disk
    if (this.#unacked > this.seen - n && live()) send(["sente-lite/ack", n]);
    this.#unacked = this.seen - n;
  }
}
