// Who is signed in. The key is held in memory only: session storage would be written to the disk and comes back with a reopened tab.

let key = null;
let caller = null;
let ending = new AbortController();
let onEnd = () => {};

export function currentKey() {
  return key;
}

/** Name, groups and scopes of the key. */
export function currentCaller() {
  return caller;
}

export function may(scope) {
  return caller !== null && caller.scopes.includes(scope);
}

/** Hold a key while it is tried; `begin` follows when the service knows it. */
export function tryKey(secret) {
  key = secret;
}

export function begin(who) {
  caller = who;
}

/** Forget the key. The reason is shown where the next key is asked for. */
export function end(reason = null) {
  key = null;
  caller = null;
  ending.abort();
  ending = new AbortController();
  onEnd(reason);
}

/** Aborts when this session ends, so that nothing of it arrives in the next one. */
export function sessionSignal() {
  return ending.signal;
}

export function whenEnded(listener) {
  onEnd = listener;
}
