// How a page begins, and what it may rely on.

/**
 * send returns {status: "ok" | "queued" | "rejected", queueSize}, ask rejects with a SenteLite.Error, flush({acked: true})
 * resolves once the sidecar has it all, and
 *
 *   addEventListener("beforeunload", (e) => { if (!s.pending.safeToClose) e.preventDefault(); });
 *
 * In Node: require it and give {url}, before Node 22 also {WebSocket: require("ws")}. Keywords are strings here.
 *
 * A link that comes back within the sidecar's window (:backup-secs) goes on where it was: nothing is lost, doubled or
 * reordered, calls and subscriptions stay. Otherwise onReconnect is told {recovered: false, missed, reason, unsure}:
 * missed events did not come (null: an unknown number), and what was written without an acknowledgement may have arrived
 * or not: calls reject with chsk/closed, events are counted in one error "sente-lite/unsure". The rest is sent.
 */

/**
 * Connects, and keeps connecting. The constructor has the defaults of the times (ms) and bounds.
 *
 * @param {object} [options] url: ws:, http: or relative, default base ("") + path ("/ws") at the page's host;
 *   params: more of the query, nothing secret; token: a string or what gives one (or a promise), asked each time;
 *   onState (state, old): each edge, and when the network goes or comes; onOpen (state) the first time, then
 *   onReconnect (state, recovery); onClose (lastClose): an open link ended, or retrying did; onError (error): what no
 *   promise can tell, default the console; backoff (n) → ms before retry n; WebSocket; bundle: false writes and asks
 *   for single items; credit: how many events and calls the sidecar may have under way to here, 0 for any number;
 *   gzip: true asks for gzip, and gzips what has 1024 bytes or more and shrinks, by CompressionStream, else by pako,
 *   which a page loads before; packer: "json", "msgpack" (sente-lite-msgpack.js, loaded before, for bytes without base64), or a
 *   form (see form.js); recover: false keeps and resumes nothing; store: true, or a name, keeps the session and what
 *   waits over a reload, in IndexedDB, for one page at a time (true: a name for the tab). Off by default: it puts what
 *   is sent on disk, each item waits for that, and after a reload only handlers that are set in the turn of connect
 *   hear all.
 * @returns {Client} its state is a frozen snapshot; lastClose is {code, reason, clean, why}, recovery what
 *   onReconnect is told
 */
function connect(options = {}) { return new Client(options); }
