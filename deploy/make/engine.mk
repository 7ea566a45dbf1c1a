.PHONY: engine
engine: ## fetch the embedded ClickHouse engine and the address data (once)
	@deploy/engine/fetch.sh
