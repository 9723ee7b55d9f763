// SPDX-License-Identifier: Apache-2.0
// Answers every request with 2,000 bytes: server.js PORT.
const http = require("node:http");
http
  .createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      response.setHeader("Content-Length", 2000);
      response.end("x".repeat(2000));
    });
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
