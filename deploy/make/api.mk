# The API's server code is generated from api/openapi.yaml.

OAPI_CODEGEN := go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2

.PHONY: generate check-generated test-api-fuzz bench-api

generate: ## Generate the server code from api/openapi.yaml
	$(OAPI_CODEGEN) -config api/gen/config.yaml -o api/gen/api.gen.go api/openapi.yaml

check-generated: ## Fail when api/gen is not what api/openapi.yaml gives
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	$(OAPI_CODEGEN) -config api/gen/config.yaml -o "$$dir/api.gen.go" api/openapi.yaml && \
	diff -u api/gen/api.gen.go "$$dir/api.gen.go" >/dev/null || { echo "api/gen is out of step with api/openapi.yaml: run 'make generate'" >&2; exit 1; }

test-api-fuzz: build ## Run Schemathesis against a real server (EXAMPLES=40 SEED=1)
	@bash deploy/make/api_fuzz.sh

bench-api: ## What verify and authorize cost inside the process, without the network
	@go test -tags nomsgpack -run '^$$' -bench Decisions -benchmem ./api | awk -f deploy/make/quotas_bench.awk
