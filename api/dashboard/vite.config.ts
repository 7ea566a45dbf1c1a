import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The output is committed and compared byte by byte in `make check-dashboard`: nothing in it may depend on when or where it
// was built. Nothing is inlined, as the page's content policy allows files of its own origin only.
export default defineConfig({
  plugins: [react()],
  build: { outDir: "dist", sourcemap: false, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8080", changeOrigin: false } } },
});
