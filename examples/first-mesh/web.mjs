// A small web server, and a client of another one when ASK says so. Needs nothing but Node.
import http from "node:http";
import os from "node:os";
import process from "node:process";

const name = process.env.POD_NAME ?? os.hostname();
const port = Number(process.env.PORT ?? 8080);
const ask = process.env.ASK;

const server = http.createServer((request, response) => {
  if (request.url?.startsWith("/ticks")) return ticks(response);
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify({ pod: name, path: request.url, client: request.socket.remoteAddress })}\n`);
});
server.listen(port, "::", () => console.log(`${name} listens on ${port}`));

/** A line every 50 ms for as long as the client listens: an open connection to watch. */
function ticks(response) {
  response.write(`${name}\n`);
  let count = 0;
  const timer = setInterval(() => response.write(`tick ${++count}\n`), 50);
  response.on("close", () => clearInterval(timer));
}

if (ask) {
  setInterval(() => {
    const started = performance.now();
    const request = http.get(ask, { timeout: 5_000, agent: false }, (response) => {
      response.resume().on("end", () => console.log(`${ask}: ${response.statusCode} in ${since(started)}`));
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 5 s")));
    request.on("error", (error) => console.log(`${ask}: ${error.message} in ${since(started)}`));
  }, 2_000);
}

function since(started) {
  return `${(performance.now() - started).toFixed(1)} ms`;
}

process.on("SIGTERM", () => process.exit(0));
