# What deploy/ holds for those who run Tollkeeper (rules, dashboard, image, compose, chart) is tested by a module of its own, so that
# the readers of all that are no dependencies of the program. Go does not see that the program is part of the test, hence -count=1.
DEPLOY_TEST := deploy/test

.PHONY: test-deploy
test-deploy: engine ## test the rules for Prometheus, the dashboard for Grafana, the image, compose and the Helm chart
	cd $(DEPLOY_TEST) && go test -count=1 -timeout 10m ./...
