/** The API's reference, from the whole contract. It only shows: calls are the console's. */
import "swagger-ui-dist/swagger-ui.css";

import "./docs.css";

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";

import contract from "./contract.json";

const url = new URL("..", document.baseURI).href.replace(/\/$/, "");
const base = document.getElementById("base");
if (base) base.textContent = url;

SwaggerUI({
  dom_id: "#reference",
  spec: { ...contract, servers: [{ url }] },
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  supportedSubmitMethods: [],
  // Its colours are too pale to read.
  syntaxHighlight: false,
  validatorUrl: null,
});
