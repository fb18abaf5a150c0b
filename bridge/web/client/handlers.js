// What the page does with events and calls that come in.

/** The event that send, on and the like were given; throws where it is none. */
function eventOf(what, id, data) {
  if (Array.isArray(id)) [id, data] = id;
  if (typeof id !== "string" || !/^[^\s/]+\/\S+$/.test(id)) {
    throw new TypeError(`${what}: an event's id is "namespace/name", got ${JSON.stringify(id)}`);
  }
  return data === undefined ? [id] : [id, data];
}

class Handlers {
  #fns = new Map(); // event id → Set of functions
  #serving = 0; #link;

  /** link: {form, report(error), most(): bytes of a reply, maxCalls}. */
  constructor(link) { this.#link = link; }

  on(id, fn) {
    if (id !== "*") eventOf("on", id);
    if (!this.#fns.has(id)) this.#fns.set(id, new Set());
    this.#fns.get(id).add(fn);
  }

  off(id, fn) {
    const fns = this.#fns.get(id);
    if (fn) fns?.delete(fn);
    if (!fn || fns?.size === 0) this.#fns.delete(id);
  }

  #all(id) { return [...(this.#fns.get(id) || [])]; }

  /** Runs a function of the page's. Returns a promise, which does not fail, where the function did; else undefined. */
  run(fn, ...args) {
    try {
      const result = fn?.(...args);
      if (typeof result?.then === "function") return Promise.resolve(result).catch(this.#link.report);
    } catch (e) {
      this.#link.report(e);
    }
  }

  /** Tells an event. Returns a promise where a handler is not done with it yet; so may the ones before be. */
  tell(event, before = []) {
    const [id, data] = event;
    const waits = [...before, ...[...this.#all(id), ...this.#all("*")].map((fn) => this.run(fn, data, event))].filter((p) => p);
    return waits.length > 0 ? Promise.all(waits) : undefined;
  }

  /** Resolves to the packed form of a call's reply. */
  async serve(event, cb) {
    const {form, most, maxCalls, report} = this.#link;
    const [id, data] = event;
    const [first, ...rest] = this.#all(id);
    const reply = (value) => form.pack(["chsk/reply", cb, value === undefined ? null : value]);
    const refuse = (category, code, text) => reply(["sente-lite/error",
      {category, code: "sente-lite/" + code, message: `${id}: ${text}`, "event-id": id, "retry?": category === "busy"}]);
    for (const fn of [...rest, ...this.#all("*")]) this.run(fn, data, event);
    let text;
    if (!first) text = refuse("not-found", "no-handler", "no handler here");
    else if (this.#serving >= maxCalls) text = refuse("busy", "busy", "too many are open already");
    else {
      this.#serving++;
      try {
        text = reply(await first(data, event));
      } catch (e) {
        report(e);
        text = refuse("fault", "handler-failed", `the handler failed: ${e?.message || e}`);
      }
      this.#serving--;
    }
    return sizeOf(text) > most() ? refuse("incorrect", "too-large", `a reply of more than ${most()} bytes`) : text;
  }
}
