// Which channels should be joined, whatever the link does.

class Channels {
  #subs = new Map(); // channel → {fns, waiters, joined, cb}
  #link;

  /** link: {live(), resumes(): there is a session to go on with, ended(), call(event, resolve, reject, first) → cb, run, report}. */
  constructor(link) { this.#link = link; }

  subscribe(channel, fn) {
    let sub = this.#subs.get(channel);
    if (!sub) this.#subs.set(channel, sub = {fns: new Set(), waiters: [], joined: false, cb: null});
    sub.fns.add(fn);
    if (sub.joined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      sub.waiters.push({resolve, reject});
      if (this.#link.live() && !sub.cb) this.#join(channel, sub);
    });
  }

  unsubscribe(channel, fn) {
    const sub = this.#subs.get(channel);
    if (sub && fn) sub.fns.delete(fn);
    if (!sub || (fn && sub.fns.size > 0)) return Promise.resolve();
    this.#subs.delete(channel);
    sub.waiters.forEach((w) => w.reject(fail("interrupted", "sente-lite/unsubscribed", channel, "left again")));
    if (!this.#link.live() && !this.#link.resumes()) return Promise.resolve();
    // Not joined either way.
    return new Promise((done) => this.#link.call(["sente-lite/unsubscribe", {"channel-id": channel}], () => done(), () => done()));
  }

  /** Asks for what is not joined; with first, ahead of all that waits. */
  join(first) {
    for (const [channel, sub] of [...this.#subs].reverse()) if (!sub.joined && !sub.cb) this.#join(channel, sub, first);
  }

  /** The sidecar has forgotten all. */
  left() { for (const sub of this.#subs.values()) sub.joined = false; }

  fail(error) { for (const sub of this.#subs.values()) for (const w of sub.waiters.splice(0)) w.reject(error); }

  /** The call of a channel that is being joined: older sidecars answer by an event. */
  cb(channel) { return this.#subs.get(channel)?.cb; }

  /** Tells what was published. Returns what run has. */
  heard({"channel-id": channel, data, from}) {
    return [...(this.#subs.get(channel)?.fns || [])].map((fn) => this.#link.run(fn, data, {channel, from}));
  }

  #join(channel, sub, first) {
    const settled = (error) => {
      sub.cb = null;
      if (this.#subs.get(channel) !== sub) return;
      if (error && error.code === "chsk/closed" && !this.#link.ended()) return; // the next link asks again
      const waiters = sub.waiters.splice(0);
      sub.joined = !error;
      if (!error) return waiters.forEach((w) => w.resolve());
      if (error.code !== "chsk/timeout" && error.code !== "chsk/closed") this.#subs.delete(channel);
      waiters.length > 0 ? waiters.forEach((w) => w.reject(error)) : this.#link.report(error);
    };
    sub.cb = this.#link.call(["sente-lite/subscribe", {"channel-id": channel}], (value) => {
      const answer = (Array.isArray(value) ? value[1] : value) || {};
      const {success, error = "refused"} = answer;
      settled(success === false && fail("forbidden", "sente-lite/" + error, "sente-lite/subscribe",
        `${channel}: ${error}`, {data: answer}));
    }, settled, first);
  }
}
