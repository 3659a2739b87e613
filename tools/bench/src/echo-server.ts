import { createServer } from "node:net";
import { argv } from "node:process";

// `echo-server.ts PORT`: sends back what it gets.
createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => socket.destroy()); // a client that goes away is how a load ends
  socket.pipe(socket);
}).listen(Number(argv[2]));
