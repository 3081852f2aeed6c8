// Package awsclient is what the agent needs to talk to AWS services: instance credentials, request signing, the HTTP
// transport with its proxy rules, endpoint names, and two small protocol clients (AWS JSON 1.1 and AWS Query) with
// attempt-level retries.
//
// Only the signer of the AWS SDK is used. The SDK's configuration loader and service packages were measured and left
// out: together they cost 3.5 MB of binary, 1.7 MB of heap before main starts and 7.5 MB of resident memory, a third of
// what the whole agent may use, for nine calls.
package awsclient
