/**
 * Check a Fullhouse pass: that its holder came through a waiting room. Copy this file into the site to be protected.
 *
 * It needs WebCrypto (Node 18 or later, workers, browsers on https) and nothing else, and asks nobody: a pass is signed
 * (HMAC-SHA256, RFC 2104) with the key of its zone, which the operators of the waiting room print with
 * `manage.py pass_key ZONE`. The key also makes passes, so it belongs on a server or in a worker, never in a page.
 *
 *     import { PassError, verify } from "./fullhouse_pass.mjs";
 *
 *     try {
 *       const claims = await verify(token, process.env.FULLHOUSE_PASS_KEY, "concert");
 *     } catch (error) {
 *       if (!(error instanceof PassError)) throw error;
 *       // send them to the waiting page; error.reason says why
 *     }
 *
 * A pass is fp1.<zone>.<epoch>.<place>.<client>.<issued>.<expires>.<mac>, times in seconds since 1970; the mac is over
 * everything before its dot, in base64url without padding. fullhouse_pass.py is the same in Python.
 */

const KEY_BYTES = 32;
const NUMBER = "(0|[1-9][0-9]{0,14})"; // below 2^53: exact as a JavaScript number
// The last letter of a mac carries four bits and two that are nought: any other spelling of it is refused.
const FORM = new RegExp(
  `^(fp1\\.([A-Za-z0-9_-]{1,64})\\.${NUMBER}\\.${NUMBER}\\.([A-Za-z0-9_-]{1,64})\\.${NUMBER}\\.${NUMBER})` +
    "\\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$",
);

/** The pass opens nothing; `reason`, the first that holds: malformed, other_zone, forged, expired, other_client. */
export class PassError extends Error {
  constructor(reason) {
    super(reason);
    this.name = "PassError";
    this.reason = reason;
  }
}

/**
 * What the pass says if it is good for this zone now, and for this client mark if one is given.
 *
 * @param {string} token the pass
 * @param {string | Uint8Array} key the zone's key: as printed (64 hexadecimal digits), or its 32 bytes
 * @param {string} zone
 * @param {{now?: number, client?: string}} [options] `now` in seconds since 1970, the clock by default
 * @returns {Promise<{zone: string, epoch: number, place: number, client: string, issued: number, expires: number}>}
 *   times in seconds since 1970; `place` is unique within zone and epoch, but 0 of all who were let in while the line
 *   could not be asked
 * @throws {PassError} the pass opens nothing
 * @throws {TypeError} the key is not one
 */
export async function verify(token, key, zone, { now, client } = {}) {
  const rawKey = keyBytes(key);
  const form = typeof token === "string" ? FORM.exec(token) : null;
  if (!form) throw new PassError("malformed");
  const [, body, claimedZone, epoch, place, claimedClient, issued, expires, mac] = form;
  if (claimedZone !== zone) throw new PassError("other_zone");
  if (!(await signedBy(rawKey, body, mac))) throw new PassError("forged");
  if (!(Number(expires) > (now ?? Date.now() / 1000))) throw new PassError("expired");
  if (client !== undefined && client !== null && claimedClient !== client) throw new PassError("other_client");
  return {
    zone: claimedZone,
    epoch: Number(epoch),
    place: Number(place),
    client: claimedClient,
    issued: Number(issued),
    expires: Number(expires),
  };
}

function keyBytes(key) {
  if (key instanceof Uint8Array && key.length === KEY_BYTES) return key;
  const digits = typeof key === "string" ? key.trim() : "";
  if (/^[0-9A-Fa-f]{64}$/.test(digits)) {
    return Uint8Array.from(digits.match(/../g), (pair) => Number.parseInt(pair, 16));
  }
  throw new TypeError("a zone's key is 64 hexadecimal digits, or 32 bytes");
}

async function signedBy(rawKey, body, mac) {
  // Node 18 has WebCrypto, but not yet as a global.
  const { subtle } = globalThis.crypto ?? (await import("node:crypto")).webcrypto;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await subtle.importKey("raw", rawKey, algorithm, false, ["verify"]);
  const presented = Uint8Array.from(atob(mac.replace(/-/g, "+").replace(/_/g, "/")), (byte) => byte.charCodeAt(0));
  return subtle.verify("HMAC", key, presented, new TextEncoder().encode(body)); // compares in constant time
}
