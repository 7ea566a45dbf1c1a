package accesslog

// awsSpec is Amazon API Gateway's access log with a JSON format of $context variables, by the names of its documentation.
// All values may be strings. $context.identity.apiKey is the key itself: apiKeyId is what should be logged.
func awsSpec() *jsonSpec {
	return &jsonSpec{
		name: "aws",
		fields: []field{
			{path: "requestTimeEpoch", to: toTime, unit: unitMillis},
			{path: "requestTime", to: toTime},
			{path: "apiKey", to: toKey},
			{path: "identity/apiKey", to: toKey},
			{path: "apiKeyId", to: toKeyID},
			{path: "identity/apiKeyId", to: toKeyID},
			{path: "principalId", to: toKeyID},
			{path: "user", to: toUser},
			{path: "caller", to: toUser},
			{path: "extendedRequestId", to: toNothing},
			{path: "requestId", to: toRequestID},
			{path: "httpMethod", to: toMethod},
			{path: "domainName", to: toHost},
			{path: "resourcePath", to: toRoute},
			{path: "routeKey", to: toRouteKey},
			{path: "path", to: toPath},
			{path: "status", to: toStatus},
			{path: "responseLatency", to: toLatency, unit: unitMillis},
			{path: "requestLength", to: toBytesIn},
			{path: "responseLength", to: toBytesOut},
			{path: "ip", to: toIP},
			{path: "sourceIp", to: toIP},
			{path: "identity/sourceIp", to: toIP},
			{path: "userAgent", to: toAgent},
			{path: "identity/userAgent", to: toAgent},
			{path: "apiId", to: toSource},
		},
		signature: []string{"requestTimeEpoch", "requestTime", "extendedRequestId", "responseLength"},
	}
}
