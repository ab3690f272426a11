// Requests to the service. The key travels in a header, never in an address.

import { currentCaller, currentKey, end, sessionSignal } from "./session.js";
import { parseEvents } from "./stream.js";

/** An error that the service explained (RFC 9457), or `unreachable` when nothing answered. */
export class Problem extends Error {
  constructor(status, code, detail, trace) {
    super(detail);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.trace = trace;
  }

  static of(body, status = 0) {
    return new Problem(body?.status ?? status, body?.error?.code ?? "unknown", body?.detail ?? "", body?.trace_id ?? "");
  }
}

/** The JSON document at a path. */
export async function get(path, signal) {
  const response = await send(path, { signal });
  return response.json();
}

/** The events of an answer as they come. It ends early, without a word, when the connection breaks between two events. */
export async function* ask(question, signal) {
  const response = await send("/v1/answers", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...question, stream: true }),
    signal,
  });
  yield* parseEvents(response.body);
}

/** Send files; `progress` hears the share that has left. XMLHttpRequest, since fetch does not tell how much was sent. */
export function upload(form, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/documents");
    request.setRequestHeader("Authorization", `Bearer ${currentKey()}`);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("load", () => (request.status === 202 ? resolve(request.response) : reject(refused(Problem.of(request.response, request.status)))));
    request.addEventListener("error", () => reject(new Problem(0, "unreachable", "", "")));
    sessionSignal().addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, {
      ...options,
      signal: AbortSignal.any([sessionSignal(), ...(options.signal ? [options.signal] : [])]),
      headers: { ...options.headers, Authorization: `Bearer ${currentKey()}` },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "", "");
  }
  if (!response.ok) throw refused(Problem.of(await response.json().catch(() => null), response.status));
  return response;
}

/** A key that stops working in the middle of the work ends the session. */
function refused(problem) {
  if (problem.status === 401 && currentCaller() !== null) end(problem);
  return problem;
}
