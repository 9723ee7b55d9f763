// SPDX-License-Identifier: Apache-2.0
// Makes requests one after another: client.js (METHOD URL BODY-SIZE)...
const http = require("node:http");
const agent = new http.Agent({ keepAlive: true });
function ask(method, url, size) {
  return new Promise((resolve, reject) => {
    const body = "b".repeat(size);
    const headers = size > 0 ? { "Content-Length": size } : {};
    const request = http.request(url, { method, agent, headers }, (response) => {
      let length = 0;
      response.on("data", (data) => (length += data.length));
      response.on("end", () => resolve(console.log(response.statusCode, length)));
    });
    request.on("error", reject);
    request.end(body);
  });
}
async function main(args) {
  for (let i = 0; i + 2 < args.length; i += 3) await ask(args[i], args[i + 1], Number(args[i + 2]));
  agent.destroy();
}
main(process.argv.slice(2));
