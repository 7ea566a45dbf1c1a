# The dashboard is built from api/dashboard/src into api/dashboard/dist, which is committed.

DASHBOARD := api/dashboard

.PHONY: dashboard check-dashboard

dashboard: ## Build the dashboard
	cd $(DASHBOARD) && npm ci --no-audit --no-fund --silent && npm run --silent build

check-dashboard: ## Fail when the built dashboard is not what its sources give
	@before=$$(mktemp -d) && trap 'rm -rf "$$before"' EXIT && cp -R $(DASHBOARD)/dist $(DASHBOARD)/src/api.gen.ts "$$before" && \
	$(MAKE) --no-print-directory dashboard >/dev/null && \
	{ diff -r $(DASHBOARD)/dist "$$before/dist" >/dev/null && cmp -s $(DASHBOARD)/src/api.gen.ts "$$before/api.gen.ts"; } || \
	{ echo "$(DASHBOARD)/dist is out of step with its sources: run 'make dashboard' and commit the result" >&2; exit 1; }
