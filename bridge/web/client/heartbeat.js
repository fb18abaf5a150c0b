// Whether the link is still one: pings, and what silence means.

const WAKE_PING_MS = 2000; // after sleep or a change of network the user is looking: decide soon

class Heartbeat {
  #pings = []; // what each pong, or an error, is told to, in the order written: pongs carry no number
  #heard = 0; #turn = 0; #timer; #link;

  /** link: {live(), send(item), limits(), options, closed(event, retry) → error, dead(text)}. */
  constructor(link) { this.#link = link; }

  heard() { this.#heard++; }

  pong() { this.#pings.shift()?.(); }

  /** Resolves to the time to the sidecar and back, in milliseconds. */
  ping(timeoutMs) {
    const {live, send, options, closed} = this.#link;
    return new Promise((resolve, reject) => {
      if (!live()) throw closed("chsk/ws-ping", true);
      if (this.#pings.length >= options.maxCalls) throw busy("chsk/ws-ping", "too many are open already");
      const at = performance.now();
      const timer = setTimeout(() => reject(timeout("chsk/ws-ping", timeoutMs, true)), timeoutMs);
      this.#pings.push((error) => {
        clearTimeout(timer);
        error ? reject(error) : resolve(performance.now() - at);
      });
      send(["chsk/ws-ping"]);
    });
  }

  /** Silence beyond the sidecar's own pings is asked about; no answer ends the link. */
  watch() {
    const {options, limits} = this.#link;
    const {"ws-kalive-ms": kalive = options.kaliveMs, "ws-ping-timeout-ms": more = options.pingTimeoutMs} = limits();
    const heard = this.#heard;
    this.#timer = setTimeout(() => {
      if (heard === this.#heard) this.probe(options.pingTimeoutMs);
      this.watch();
    }, kalive + more);
  }

  probe(timeoutMs) {
    const [turn, heard] = [this.#turn, this.#heard];
    this.ping(timeoutMs).catch((e) => {
      if (e.code === "chsk/timeout" && turn === this.#turn && heard === this.#heard) this.#link.dead(`no pong in ${timeoutMs} ms`);
    });
  }

  /** The link is gone. */
  rest() {
    this.#turn++;
    clearTimeout(this.#timer);
    for (const ping of this.#pings.splice(0)) ping(this.#link.closed("chsk/ws-ping", true));
  }
}
