package config

import (
	"strconv"
	"strings"
)

const (
	envGMSA             = "ECS_GMSA_SUPPORTED"
	envFSx              = "ECS_FSX_WINDOWS_FILE_SERVER_SUPPORTED"
	envFetcherSocket    = "CREDENTIALS_FETCHER_HOST_DIR" // the socket's path, in spite of its name
	envDomainlessSecret = "CREDENTIALS_FETCHER_SECRET_NAME_FOR_DOMAINLESS_GMSA"
	envDomainJoined     = "ECS_DOMAIN_JOINED_LINUX_INSTANCE"
	envSkipJoinedCheck  = "ZZZ_SKIP_DOMAIN_JOIN_CHECK_NOT_SUPPORTED_IN_PRODUCTION"
	envSkipLessCheck    = "ZZZ_SKIP_DOMAIN_LESS_CHECK_NOT_SUPPORTED_IN_PRODUCTION"
)

// gmsa decides whether Active Directory accounts can be offered: to containers of a domain-joined host (capable) and with
// credentials from a secret (domainless). Nothing is reported on hosts that do not ask for gMSA.
func (l *loader) gmsa(requested bool) (capable, domainless bool) {
	if !requested || l.platform.windows {
		return false, false
	}
	capable, domainless = l.isTrue(envSkipJoinedCheck), l.isTrue(envSkipLessCheck)
	socket := l.get(envFetcherSocket)
	switch {
	case capable && domainless, socket == "":
		return capable, domainless
	case !l.Exists(socket):
		l.errorf("gMSA is not available: the credentials-fetcher socket named by %s does not exist: %s", envFetcherSocket, socket)
		return capable, domainless
	}
	if !capable {
		capable = l.get(envDomainlessSecret) != "" || l.isTrue(envDomainJoined)
		if !capable {
			l.errorf("gMSA on domain-joined hosts is not available: neither %s nor %s is set", envDomainlessSecret, envDomainJoined)
		}
	}
	return capable, true
}

func (l *loader) isTrue(name string) bool {
	on, _ := strconv.ParseBool(strings.TrimSpace(l.get(name)))
	return on
}
