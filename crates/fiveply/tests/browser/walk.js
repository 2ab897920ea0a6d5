// Opens every page of a running fiveply as a person would, with the keyboard where that is
// possible, and fails on whatever a person would complain about: an error in the console, a
// request that fails or leaves the server, a figure that is not the ledger's.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [address, expectedFile, pictures] = process.argv.slice(2);
const expected = JSON.parse(readFileSync(expectedFile, "utf8"));
const QUIET_MS = 400;
mkdirSync(pictures, { recursive: true });

const complaints = [];
const complain = (what) => complaints.push(what);
const count = (value) => new Intl.NumberFormat("en-US").format(value);

const browser = await chromium.launch({
  executablePath: process.env.FIVEPLY_CHROMIUM,
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
  ],
});
const context = await browser.newContext({
  viewport: { width: 1440, height: 900 }, colorScheme: "light", locale: "en-GB",
  timezoneId: "Europe/Berlin",
});
const page = await context.newPage();
page.setDefaultTimeout(20_000);

let place = "start";
// What a step provokes on purpose is named before it.
let allowed = null;
page.on("console", (message) => {
  if (!["error", "warning"].includes(message.type())) return;
  if (allowed?.test(message.text())) return;
  complain(`${place}: the console says: ${message.text()}`);
});
page.on("pageerror", (error) => complain(`${place}: ${error.stack ?? error}`));
page.on("request", (request) => {
  const url = new URL(request.url());
  const own = ["data:", "blob:"].includes(url.protocol) || url.origin === new URL(address).origin;
  if (!own) complain(`${place}: a request left the server: ${request.url()}`);
});
page.on("response", (response) => {
  if (response.status() >= 400 && !allowed) {
    complain(`${place}: ${response.request().method()} ${response.url()} is ${response.status()}`);
  }
});

const equal = (what, found, wanted) => {
  if (String(found).trim() !== String(wanted)) {
    complain(`${place}: ${what} is "${String(found).trim()}", expected "${wanted}"`);
  }
};
const text = (selector) => page.locator(selector).first().innerText();
const api = async (path) => (await page.request.get(new URL(`api/v1/${path}`, address).href)).json();
const keys = async (...pressed) => {
  for (const key of pressed) await page.keyboard.press(key);
};
const quiet = async () => {
  await page.waitForLoadState("networkidle").catch(() => {});
  await page.waitForTimeout(QUIET_MS);
};

/** Takes the page's picture in light and dark, and looks for what no page may have. */
async function look(name) {
  await quiet();
  const broken = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth > window.innerWidth,
    nameless: [...document.querySelectorAll("button, a[href], input, select")]
      .filter((element) => element.offsetParent !== null)
      .filter((element) => !(element.textContent?.trim() || element.getAttribute("aria-label") ||
        element.title || element.placeholder || element.labels?.length))
      .map((element) => element.outerHTML.slice(0, 80)),
    // What has no style sheet looks like this.
    unstyled: [...document.querySelectorAll("button")]
      .filter((element) => getComputedStyle(element).borderTopStyle === "outset")
      .map((element) => element.outerHTML.slice(0, 80)),
    undefinedText: /\b(undefined|NaN|\[object Object\])\b/.exec(document.body.innerText)?.[0],
  }));
  if (broken.wide) complain(`${name}: the page scrolls sideways`);
  for (const element of broken.unstyled) complain(`${name}: without a style: ${element}`);
  for (const element of broken.nameless) complain(`${name}: without a name: ${element}`);
  if (broken.undefinedText) complain(`${name}: shows "${broken.undefinedText}"`);
  await page.screenshot({ path: join(pictures, `${name}-light.png`) });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForTimeout(QUIET_MS);
  await page.screenshot({ path: join(pictures, `${name}-dark.png`) });
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForTimeout(60);
}

async function home() {
  place = "home";
  await page.goto(address);
  await page.waitForSelector("[data-verdict]");
  const answer = await api("home");
  for (const state of ["fresh", "late", "broken", "unbuilt"]) {
    equal(state, await text(`[data-figure=${state}]`), count(answer.counts[state]));
  }
  equal("rows read", await text("[data-figure=rows-read]"), count(expected.rows_read));
  equal("rows rejected", await text("[data-figure=rows-rejected]"), count(expected.rows_rejected));
  const tests = `${count(expected.tests_passed)} of ${count(expected.tests)}`;
  equal("tests", (await text("[data-figure=tests]")).replaceAll(/\s+/g, " "), tests);
  await look("home");
}

async function help() {
  place = "help";
  await keys("?");
  await page.waitForSelector("dialog[open]");
  await look("help");
  await keys("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
}

async function search() {
  place = "search";
  await keys("/");
  await page.keyboard.type("signups_dai");
  await page.waitForSelector("[role=option] >> text=main.signups_daily");
  await look("search");
  await keys("Enter");
  await page.waitForSelector("h1 >> text=main.signups_daily");
}

async function table() {
  place = "table";
  equal("rows", await text("[data-figure=rows]"), count(expected.rows["main.signups_daily"]));
  await page.waitForSelector("td >> text=signup_date");
  await look("table-columns");
  for (const tab of ["Preview", "Versions", "Tests", "SQL"]) {
    place = `table, ${tab}`;
    await page.getByRole("tab", { name: tab }).click();
    if (tab === "Preview") await page.waitForSelector("[role=rowheader]");
    if (tab === "SQL") await page.waitForSelector("pre >> text=fact_signups");
    await look(`table-${tab.toLowerCase()}`);
  }
}

async function tables() {
  place = "tables";
  await keys("g", "t");
  await page.waitForSelector("[role=table][aria-label=Tables]");
  const rows = Number(await page.getAttribute("[role=table]", "aria-rowcount")) - 1;
  equal("nodes", rows, (await api("tables")).tables.length);
  await look("tables");
}

async function lineage() {
  place = "lineage";
  await keys("g", "l");
  await page.waitForSelector("[data-node]");
  await look("lineage");
  const start = expected.walk[0];
  await page.goto(`${address}#/lineage/${encodeURIComponent(start)}?up=all&down=all`);
  await page.waitForSelector(`[data-node="${start}"].chosen`);
  for (const node of expected.walk.slice(1)) {
    let at = null;
    // To the right, then up or down in that rank until it is the wanted one.
    await keys("ArrowRight");
    const chosen = () => page.getAttribute(".card.chosen[data-node]", "data-node");
    const heightOf = (id) => page.evaluate(
      (wanted) => document.querySelector(`[data-node="${wanted}"]`)?.getBoundingClientRect().top,
      id,
    );
    for (let tries = 0; tries < 12; tries += 1) {
      await page.waitForTimeout(30);
      at = await chosen();
      if (at === node) break;
      await keys((await heightOf(node)) > (await heightOf(at)) ? "ArrowDown" : "ArrowUp");
    }
    equal("the node reached by arrow keys", at, node);
  }
  await look("lineage-walked");
  await keys("Enter");
  await page.waitForSelector(`h1 >> text=${expected.walk_end}`);
}

async function runs() {
  place = "runs";
  await keys("g", "r");
  await page.waitForSelector("[role=table][aria-label=Runs] [data-at]");
  await look("runs");
  const listed = (await api("runs")).runs;
  const build = listed.find((run) => run.command === "build") ?? listed[0];
  place = "run";
  await page.goto(`${address}#/runs/${build.id}`);
  await page.waitForSelector("[data-figure=rows-written]");
  equal("rows written", await text("[data-figure=rows-written]"), count(build.rows_written));
  await page.getByRole("option").first().focus();
  await keys("ArrowDown", "ArrowDown");
  await page.waitForSelector("aside[aria-label=Step]");
  await look("run");
  await page.getByRole("tab", { name: "Row accounts" }).click();
  await look("run-accounts");
  await page.getByRole("tab", { name: "Tests" }).click();
  await look("run-tests");
}

async function sql() {
  place = "sql";
  await page.goto(`${address}#/sql`);
  const editor = page.locator(".cm-content");
  await editor.click();
  await keys("Control+a");
  await page.keyboard.type("select signup_date, signups from main.signups_daily order by 1");
  await keys("Escape", "Control+Enter");
  await page.waitForSelector("[data-answer] >> text=rows");
  const rows = Number(await page.getAttribute("[role=table][aria-label=Answer]", "aria-rowcount"));
  equal("rows of the answer", rows - 1, expected.rows["main.signups_daily"]);
  await look("sql");
  await page.getByRole("button", { name: "Chart" }).click();
  await page.waitForSelector(".uplot canvas");
  await look("sql-chart");

  place = "sql, a query with a mistake";
  allowed = /422/;
  await editor.click();
  await keys("Control+a");
  await page.keyboard.type("select no_such_column from main.signups_daily");
  await keys("Escape", "Control+Enter");
  await page.waitForSelector("[role=alert] >> text=no_such_column");
  await look("sql-mistake");

  place = "sql, a query that is cancelled";
  allowed = /503|499|404/;
  await editor.click();
  await keys("Control+a");
  await page.keyboard.type(
    "select count(*) from main.fact_user_events a, main.fact_user_events b, " +
      "main.fact_user_events c where a.event_id || b.event_id > c.event_id",
  );
  await keys("Escape", "Control+Enter");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.waitForSelector("[role=alert] >> text=cancelled");
  allowed = null;
}

async function consumers() {
  place = "dashboards";
  await keys("Escape");
  await page.goto(`${address}#/dashboards`);
  await page.waitForSelector("h1 >> text=Dashboards");
  await look("dashboards");
  const dashboards = await api("dashboards");
  for (const dashboard of dashboards) {
    place = `dashboard ${dashboard.name}`;
    await page.goto(`${address}#/dashboards/${encodeURIComponent(dashboard.name)}`);
    await page.waitForSelector("[data-tile]");
    for (const tile of dashboard.tiles.filter((each) => each.type === "number")) {
      const path = `dashboards/${encodeURIComponent(dashboard.name)}/tiles/${encodeURIComponent(tile.name)}`;
      const data = await api(path);
      if (data.error) {
        complain(`${place}: ${tile.name}: ${data.error.message}`);
        continue;
      }
      const at = data.columns.findIndex((column) => column.role === "metric" || column.type === "number");
      await page.waitForSelector(`[data-tile="${tile.name}"] [data-value]`);
      const shown = await page.getAttribute(`[data-tile="${tile.name}"] [data-value]`, "data-value");
      equal(`the figure of ${tile.name}`, shown, data.rows[0]?.[at]);
    }
    await look(`dashboard-${dashboard.name}`);
  }
}

async function handedOn() {
  place = "syncs";
  await page.goto(`${address}#/`);
  await page.waitForSelector("[data-verdict]");
  await keys("g", "y");
  await page.waitForSelector("[role=table][aria-label=Syncs] [data-at]");
  const { syncs } = await api("syncs");
  const rows = Number(await page.getAttribute("[role=table][aria-label=Syncs]", "aria-rowcount")) - 1;
  equal("syncs", rows, syncs.length);
  await look("syncs");
  place = "sync";
  await keys("ArrowDown", "Enter");
  await page.waitForSelector(`h1 >> text=${syncs[0].name}`);
  await page.waitForSelector("[data-sent]");
  const sent = await api(`syncs/${encodeURIComponent(syncs[0].name)}/rows?limit=100`);
  equal("rows that were sent", await page.getAttribute("[data-sent]", "data-sent"), sent.rows.length);
  if (sent.rows.length === 0) complain("sync: nothing was sent, so its rows were not looked at");
  await page.locator("details summary").first().click();
  await page.waitForSelector("h3 >> text=Request");
  await look("sync");
  place = "features";
  await keys("g", "f");
  await page.waitForSelector("[data-view]");
  const { feature_views: views } = await api("features");
  equal("feature views", await page.locator("[data-view]").count(), views.length);
  await look("features");
}

async function incidents() {
  place = "incidents";
  await page.goto(`${address}#/`);
  await page.waitForSelector("[data-verdict]");
  await keys("g", "i");
  await page.waitForSelector("[role=table][aria-label=Incidents] [data-at]");
  await look("incidents");
  place = "incident";
  const listed = (await api("incidents")).incidents;
  const at = listed.findIndex((incident) => incident.kind === "rows_astray");
  if (at < 0) throw new Error("no incident about rows that are missing on the way");
  for (let step = 0; step <= at; step += 1) await keys("ArrowDown");
  await keys("Enter");
  await page.waitForSelector("section[data-verdict]", { timeout: 60_000 });
  const { diagnosis } = await api(`incidents/${encodeURIComponent(listed[at].id)}`);
  const figure = (value) =>
    new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 }).format(value);
  equal("what readers see", await text("[data-figure=actual]"), figure(diagnosis.number.actual));
  equal("what is complete", await text("[data-figure=complete]"), figure(diagnosis.number.complete));
  const mend = diagnosis.findings.find((finding) => finding.mend)?.mend.command;
  equal("the command that mends it", await text("[data-mend]"), mend);
  await look("incident");
  // Along the hops by arrow keys, to the source and to the number.
  const hop = () => page.locator("[role=listbox][aria-label=Hops] [aria-selected=true] strong");
  await page.locator("[role=listbox][aria-label=Hops] [aria-selected=true]").focus();
  for (const _ of diagnosis.hops) await keys("ArrowLeft");
  const nameOf = ({ table, node }) =>
    (table ? `${table.namespace}.${table.name}` : node.split(".").at(-1));
  equal("the first hop", await hop().innerText(), nameOf(diagnosis.hops[0]));
  for (const _ of diagnosis.hops) await keys("ArrowRight");
  equal("the last hop", await hop().innerText(), nameOf(diagnosis.hops.at(-1)));
  await look("incident-hops");
}

async function logIn() {
  place = "log-in page";
  await page.goto(`${address}#/login`);
  await page.waitForSelector("h1 >> text=Log in");
  await look("login");
}

async function nowhere() {
  place = "a page that does not exist";
  await page.goto(`${address}#/nowhere`);
  await page.waitForSelector("h1 >> text=no such page");
  allowed = /404/;
  const missing = await page.request.get(new URL("assets/no-such.js", address).href);
  equal("the status of an unknown asset", missing.status(), 404);
  allowed = null;
}

try {
  for (const step of [home, help, search, table, tables, lineage, runs, sql, consumers, handedOn,
    incidents, logIn, nowhere]) {
    await step();
  }
} catch (error) {
  complain(`${place}: ${error.message}`);
  await page.screenshot({ path: join(pictures, "stopped-here.png") }).catch(() => {});
}
await browser.close();
for (const what of complaints) console.error(what);
process.exit(complaints.length > 0 ? 1 : 0);
