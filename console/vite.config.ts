import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Addresses are relative: the API has several, and the console must not know which.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../functions/console/files",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      input: [resolve("index.html"), resolve("docs.html")],
      output: {
        // Cloudscape changes by its own releases only, so browsers keep it over ours.
        codeSplitting: {
          groups: [
            { name: "swagger-ui", test: /node_modules[\\/]swagger-ui-dist/ },
            { name: "react", test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/ },
            { name: "cloudscape", test: /node_modules/ },
          ],
        },
      },
    },
  },
});
