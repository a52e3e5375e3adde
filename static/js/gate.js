/**
 * Puts a page of another site behind a Fullhouse waiting room. docs/gate.md tells how to use it and what it is not.
 *
 *   <script src="https://gate.example/static/js/gate.js" data-zone="tickets"></script>
 *
 * data-mode="redirect" (default): who may not come in yet is sent to the waiting page, and back by it.
 * data-mode="promise": the page stays and shows what it likes; `fullhouse.entered` resolves when it is the visitor's turn.
 * data-fail="open": let people in while the waiting room does not answer; by default they wait until it does.
 * data-cookie="name": keep the pass in a cookie of this site, for its server to check.
 */
(() => {
  const script = document.currentScript;
  const { zone, mode = "redirect", fail = "closed", cookie } = script.dataset;
  const gate = new URL(script.src).origin;
  const PASS = "fullhouse_pass";
  const TICKET_KEY = `fullhouse-ticket:${zone}`;
  const PASS_KEY = `fullhouse-pass:${zone}`;
  // The form in fullhouse_pass.py, letter by letter: what an address brings is kept, and written into a cookie.
  const FORM = /^fp1\.([\w-]{1,64})\.\d{1,15}\.\d{1,15}\.[\w-]{1,64}\.\d{1,15}\.(\d{1,15})\.[\w-]{43}$/;
  const NO_TICKET = [401, 413, 422]; // what we kept is none of this zone's, whoever put it there
  const TIMEOUT_MS = 10_000;
  const CAP_MS = 20_000;
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  let admit;
  const fullhouse = { zone, pass: null, expiresAt: null, entered: new Promise((done) => (admit = done)) };
  window.fullhouse = fullhouse;

  const read = (key) => {
    try {
      return localStorage.getItem(key) ?? "";
    } catch {
      return ""; // storage is switched off: a reload is then a new visitor
    }
  };
  const write = (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch {
      // as above
    }
  };
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`fullhouse:${name}`, { detail }));

  /** When a pass of this zone ends, in seconds since 1970; 0 for anything else. Whether it is genuine a server checks. */
  const expiry = (pass) => {
    const [, of, expires] = FORM.exec(pass) ?? [];
    return of === zone ? Number(expires) : 0;
  };

  function enter(pass) {
    const expiresAt = pass ? expiry(pass) : null;
    if (pass) write(PASS_KEY, pass);
    if (pass && cookie) {
      const secure = location.protocol === "https:" ? "; Secure" : "";
      const age = Math.floor(expiresAt - Date.now() / 1000);
      document.cookie = `${cookie}=${pass}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
    }
    Object.assign(fullhouse, { pass, expiresAt });
    document.documentElement.style.visibility = "";
    admit({ pass, expiresAt });
    tell("entered", { pass, expiresAt });
  }

  /** A pass in the address, which then loses it: nobody should bookmark or pass on a pass. */
  function brought() {
    const address = new URL(location.href);
    const pass = address.searchParams.get(PASS) ?? "";
    address.searchParams.delete(PASS);
    if (pass) history.replaceState(history.state, "", address);
    return pass;
  }

  async function ask(ticket) {
    const response = await fetch(`${gate}/traffic/wait`, {
      method: "POST",
      credentials: "omit",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ zoneId: zone, clientAgent: navigator.userAgent.slice(0, 512), token: ticket }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (ticket && NO_TICKET.includes(response.status)) {
      write(TICKET_KEY, "");
      return ask("");
    }
    if (response.status === 404) console.error(`Fullhouse knows no zone "${zone}"`);
    if (!response.ok) throw Object.assign(new Error(response.status), { retryAfter: response.headers.get("Retry-After") });
    const answer = await response.json();
    if (answer.token) write(TICKET_KEY, answer.token);
    return answer;
  }

  async function main() {
    const now = Date.now() / 1000;
    const pass = [brought(), read(PASS_KEY)].find((one) => expiry(one) > now);
    if (pass) return enter(pass);
    if (mode === "redirect") document.documentElement.style.visibility = "hidden";
    for (let failures = 0; ; ) {
      let pause;
      try {
        // Two tabs opened at once share one place; browsers have no locks on pages without TLS.
        const once = () => ask(read(TICKET_KEY));
        const answer = await (navigator.locks ? navigator.locks.request(TICKET_KEY, once) : once());
        failures = 0;
        if (answer.canEnter) return enter(answer.pass);
        if (mode === "redirect") {
          const next = encodeURIComponent(location.href);
          return location.replace(`${gate}/wait/${zone}/?next=${next}#ticket=${answer.token}`);
        }
        tell("waiting", answer);
        pause = answer.waiting.pollingPeriod * (0.9 + 0.2 * Math.random());
      } catch (error) {
        tell("trouble", error);
        if (fail === "open") return enter(null);
        pause = Math.max(Number(error.retryAfter) * 1000 || 0, Math.random() * Math.min(CAP_MS, 1000 * 2 ** ++failures));
      }
      await sleep(pause);
    }
  }

  main();
})();
