const assert = require("node:assert");
const { Client, Pool } = require("pg");

const where = { host: "127.0.0.1", port: Number(process.env.PORT), user: "ana", database: "prod" };

async function main() {
  const client = new Client(where);
  await client.connect();
  const two = await client.query(
    "select id, customer, paid, day from orders where id = $1 and customer = $2", [4, "c4"]);
  assert.deepStrictEqual(two.rows[0].id, "4");
  assert.deepStrictEqual(two.rows[0].paid, true);
  const many = await client.query({
    name: "named", text: "select count(*)::int as n from orders where id = any($1)", values: [[1, 2, 3]],
  });
  assert.deepStrictEqual(many.rows, [{ n: 3 }]);
  await assert.rejects(client.query("select nope from orders"), { code: "42703" });
  await assert.rejects(client.query("insert into orders values (1)"), { code: "25006" });
  await client.query("begin");
  await client.query("select 1");
  await client.query("commit");
  const several = await client.query("select 1 as a; select 2 as b");
  assert.deepStrictEqual(several.map((one) => one.rows[0]), [{ a: 1 }, { b: 2 }]);
  await client.end();
  const pool = new Pool({ ...where, max: 4 });
  const all = await Promise.all(
    Array.from({ length: 12 }, (_, n) => pool.query("select $1::int + 1 as n", [n])));
  assert.deepStrictEqual(all.map((one) => one.rows[0].n), Array.from({ length: 12 }, (_, n) => n + 1));
  await pool.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
