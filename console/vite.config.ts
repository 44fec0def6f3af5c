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
  },
});
