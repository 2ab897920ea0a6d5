// Fails when the page grows: what opens first, and each chunk that is loaded later. Keeps each
// asset compressed beside itself, for the server to send.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { join } from "node:path";

const FIRST_LOAD_BYTES_MAX = 60_000;
const LAZY_CHUNK_BYTES_MAX = 210_000;

const dist = process.env.FIVEPLY_UI_DIST ?? "dist";
const manifest = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8"));
const size = (file) => {
  const packed = gzipSync(readFileSync(join(dist, file)), { level: 9 });
  if (file.startsWith("assets/")) writeFileSync(join(dist, `${file}.gz`), packed);
  return packed.length;
};

const first = new Set(["index.html"]);
const visit = (name) => {
  const chunk = manifest[name];
  if (first.has(chunk.file)) return;
  first.add(chunk.file);
  for (const sheet of chunk.css ?? []) first.add(sheet);
  for (const needed of chunk.imports ?? []) visit(needed);
};
visit("index.html");

const total = [...first].reduce((sum, file) => sum + size(file), 0);
const assets = readdirSync(join(dist, "assets")).map((name) => `assets/${name}`);
const lazy = assets
  .filter((file) => !first.has(file) && /\.(js|css)$/.test(file))
  .map((file) => [file, size(file)])
  .sort((a, b) => b[1] - a[1]);

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB gzip`;
console.log(`first load ${kilobytes(total)} (at most ${kilobytes(FIRST_LOAD_BYTES_MAX)})`);
for (const [file, bytes] of lazy.slice(0, 5)) console.log(`  ${file} ${kilobytes(bytes)}`);

const large = lazy.filter(([, bytes]) => bytes > LAZY_CHUNK_BYTES_MAX);
if (total > FIRST_LOAD_BYTES_MAX || large.length > 0) {
  console.error("the page is over its size budget: make a screen lazy or drop a dependency");
  process.exit(1);
}
