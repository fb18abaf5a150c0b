// Gzip, by what the browser has, else by pako.

const MOST = 16777215; // bytes of a message where the sidecar has not said

const bytesOf = (data) => (data instanceof Uint8Array ? data : typeof data === "string" ? utf8.encode(data) : new Uint8Array(data));

/** What has CompressionStream or pako; throws where nothing has. */
function zips() {
  if (root.CompressionStream || root.pako) return root;
  throw fail("unsupported", "sente-lite/no-gzip", "gzip", "no CompressionStream here: load pako before");
}

/** Resolves to what goes through a stream: most bytes, else it fails. In slices, so that no more waits than one makes. */
async function through(Stream, bytes, most) {
  const {readable, writable} = new Stream("gzip");
  const [reader, writer, out] = [readable.getReader(), writable.getWriter(), new Uint8Array(most)];
  const ignore = () => {}; // what fails a write fails a read
  for (let i = 0; i < bytes.length; i += 16384) writer.write(bytes.subarray(i, i + 16384)).catch(ignore);
  writer.close().catch(ignore);
  let n = 0;
  try {
    for (let r; !(r = await reader.read()).done; n += r.value.length) out.set(r.value, n);
  } finally {
    reader.cancel().catch(ignore);
  }
  return out.slice(0, n);
}

/** Resolves to the gzip member, a Uint8Array, of bytes or of a text. */
async function gzip(data) {
  const [bytes, {CompressionStream, pako}] = [bytesOf(data), zips()];
  const most = bytes.length + (bytes.length >> 9) + 64; // of what does not shrink
  return CompressionStream ? through(CompressionStream, bytes, most) : pako.gzip(bytes);
}

/**
 * Resolves to the bytes in one gzip member. A member says at its end what it holds: it is not inflated if that is more
 * than most bytes, or more than 1 MiB and 256 times its own, and no further than that.
 */
async function ungzip(data, most = MOST) {
  const [bytes, {DecompressionStream, pako}] = [bytesOf(data), zips()];
  let out = bytesOf("");
  try {
    const size = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4, 4).getUint32(0, true);
    if (size > Math.min(most, Math.max(1048576, 256 * bytes.length))) throw new RangeError(`holds ${size} bytes`);
    if (DecompressionStream) out = await through(DecompressionStream, bytes, size);
    else {
      const z = new pako.Inflate({windowBits: 31, chunkSize: size + 1});
      z.onData = (part) => { out = part.length > size ? z.stop() : part; }; // which throws
      z.push(bytes, true);
      if (!z.ended || z.err) throw z;
    }
    if (out.length === size) return out;
    throw new RangeError("not one member");
  } catch (e) {
    throw fail("incorrect", "sente-lite/bad-gzip", "gzip", e.message || e.msg || "cut off");
  }
}

/** Resolves to the text in a gzip member. */
const ungzipString = async (data, most) => textOf(await ungzip(data, most));

const textOf = (bytes) => new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
