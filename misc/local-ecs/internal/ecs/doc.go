// Package ecs holds the words of the ECS API as local-ecs speaks it: the objects of the public service model, their
// ARNs, timestamps and errors. JSON names are those of AWS JSON 1.1, service AmazonEC2ContainerServiceV20141113.
// There is no I/O here and no rule about how objects change.
package ecs
