// Where the link goes, what it asks for, when it is tried again, and what its end means.

/**
 * The states, and state.reason for each edge:
 *
 *   connecting → open        opened (the first time), resumed (nothing was lost), reopened (a new session)
 *   connecting → waiting     unreachable, handshake-timeout, token-failed, or as from open
 *   open       → waiting     lost, dead (silence), a word of CLOSES below 4500, server-closed (any other)
 *   connecting, open → waiting  uncounted (the two sides disagree on what came: the next link begins a session)
 *   waiting    → connecting  retry (the delay is over), online, visible
 *   any        → connecting  connect (the first time), reconnect (called)
 *   any        → closed      closed (called), bad-socket, a word of CLOSES from 4500 on, refused (any other)
 */
const CLOSES = {
  1001: "shutdown", 1006: "lost", 4000: "ping-timeout", 4001: "overloaded", 4002: "draining",
  4500: "replaced", 4501: "unauthorized", 4502: "token-expired", 4503: "origin", 4504: "kicked",
  4505: "protocol", 4506: "version", 4507: "too-large", 4508: "credit",
};

/** Milliseconds before retry n: 100–300 for a lone blink, then 500–1000, doubled up to 15000–30000. */
function backoff(n) {
  if (n === 0) return 100 + 200 * Math.random();
  return Math.min(30000, 500 * 2 ** n) * (1 + Math.random()) / 2;
}

function socketURL({url, base = "", path = "/ws", params, packer, gzip, bundle, credit, recover}) {
  const given = url || base + path;
  try {
    const u = new URL(given, root.location ? root.location.href : undefined);
    u.protocol = u.protocol.replace(/^http/, "ws");
    u.hash = "";
    const asks = {v: 1, packer, ...(gzip && {gzip: 1}), ...(bundle && {bundle: 1}), ...(credit > 0 && {credit}), ...(recover && {recover: 1})};
    for (const [k, v] of Object.entries({...params, ...asks})) u.searchParams.set(k, v);
    if (/^wss?:/.test(u.href)) return u;
  } catch { /* said below */ }
  throw new TypeError(`connect: ${given} is no WebSocket address here; give {url: "ws://host:port/ws"}`);
}

/** The subprotocols that carry a token: in headers, since URLs end up in logs. */
function protocolsOf(token) {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(token)) {
    token = btoa(String.fromCharCode(...new TextEncoder().encode(token)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }
  return ["sente-lite", "sente-lite.token." + token];
}
