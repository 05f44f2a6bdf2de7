package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// Resource IDs of the Connectivity Monitoring object, /4.
const (
	ConnectivityNetworkBearer            = 0
	ConnectivityAvailableNetworkBearer   = 1
	ConnectivityRadioSignalStrength      = 2
	ConnectivityLinkQuality              = 3
	ConnectivityIPAddresses              = 4
	ConnectivityRouterIPAddresses        = 5
	ConnectivityLinkUtilization          = 6
	ConnectivityAPN                      = 7
	ConnectivityCellID                   = 8
	ConnectivitySMNC                     = 9
	ConnectivitySMCC                     = 10
	ConnectivitySignalSNR                = 11
	ConnectivityLAC                      = 12
	ConnectivityCoverageEnhancementLevel = 13
)

// ConnectivityMonitoringDef is the definition of object /4, version 1.3.
func ConnectivityMonitoringDef() lwm2m.ObjectDef {
	bearer := lwm2m.Range{Min: 0, Max: 50}
	return lwm2m.ObjectDef{
		ID: ConnectivityMonitoring, Name: "Connectivity Monitoring", Version: "1.3",
		Resources: []lwm2m.ResourceDef{
			{ID: ConnectivityNetworkBearer, Name: "Network Bearer", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: bearer},
			{ID: ConnectivityAvailableNetworkBearer, Name: "Available Network Bearer", Kind: lwm2m.KindInteger, Operations: readOnly, Multiple: true, Mandatory: true, Range: bearer},
			{ID: ConnectivityRadioSignalStrength, Name: "Radio Signal Strength", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Details: decibelMilliwatts},
			{ID: ConnectivityLinkQuality, Name: "Link Quality", Kind: lwm2m.KindInteger, Operations: readOnly},
			{ID: ConnectivityIPAddresses, Name: "IP Addresses", Kind: lwm2m.KindString, Operations: readOnly, Multiple: true, Mandatory: true},
			{ID: ConnectivityRouterIPAddresses, Name: "Router IP Addresses", Kind: lwm2m.KindString, Operations: readOnly, Multiple: true},
			{ID: ConnectivityLinkUtilization, Name: "Link Utilization", Kind: lwm2m.KindInteger, Operations: readOnly, Range: lwm2m.Range{Min: 0, Max: 100}, Details: percent},
			{ID: ConnectivityAPN, Name: "APN", Kind: lwm2m.KindString, Operations: readOnly, Multiple: true},
			{ID: ConnectivityCellID, Name: "Cell ID", Kind: lwm2m.KindInteger, Operations: readOnly},
			{ID: ConnectivitySMNC, Name: "SMNC", Kind: lwm2m.KindInteger, Operations: readOnly, Range: lwm2m.Range{Min: 0, Max: 999}},
			{ID: ConnectivitySMCC, Name: "SMCC", Kind: lwm2m.KindInteger, Operations: readOnly, Range: lwm2m.Range{Min: 0, Max: 999}},
			{ID: ConnectivitySignalSNR, Name: "SignalSNR", Kind: lwm2m.KindInteger, Operations: readOnly, Details: decibels},
			{ID: ConnectivityLAC, Name: "LAC", Kind: lwm2m.KindInteger, Operations: readOnly},
			{ID: ConnectivityCoverageEnhancementLevel, Name: "Coverage Enhancement Level", Kind: lwm2m.KindInteger, Operations: readOnly, Range: lwm2m.Range{Min: 0, Max: 4}},
		},
	}
}

// Resource IDs of the Connectivity Statistics object, /7.
const (
	StatisticsSMSTxCounter       = 0
	StatisticsSMSRxCounter       = 1
	StatisticsTxData             = 2
	StatisticsRxData             = 3
	StatisticsMaxMessageSize     = 4
	StatisticsAverageMessageSize = 5
	StatisticsStart              = 6
	StatisticsStop               = 7
	StatisticsCollectionPeriod   = 8
)

// ConnectivityStatisticsDef is the definition of object /7, version 1.0.
func ConnectivityStatisticsDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: ConnectivityStatistics, Name: "Connectivity Statistics", Version: "1.0",
		Resources: []lwm2m.ResourceDef{
			{ID: StatisticsSMSTxCounter, Name: "SMS Tx Counter", Kind: lwm2m.KindInteger, Operations: readOnly},
			{ID: StatisticsSMSRxCounter, Name: "SMS Rx Counter", Kind: lwm2m.KindInteger, Operations: readOnly},
			{ID: StatisticsTxData, Name: "Tx Data", Kind: lwm2m.KindInteger, Operations: readOnly, Details: kilobytes},
			{ID: StatisticsRxData, Name: "Rx Data", Kind: lwm2m.KindInteger, Operations: readOnly, Details: kilobytes},
			{ID: StatisticsMaxMessageSize, Name: "Max Message Size", Kind: lwm2m.KindInteger, Operations: readOnly, Details: octets},
			{ID: StatisticsAverageMessageSize, Name: "Average Message Size", Kind: lwm2m.KindInteger, Operations: readOnly, Details: octets},
			{ID: StatisticsStart, Name: "Start", Kind: lwm2m.KindNone, Operations: execute, Mandatory: true},
			{ID: StatisticsStop, Name: "Stop", Kind: lwm2m.KindNone, Operations: execute, Mandatory: true},
			{ID: StatisticsCollectionPeriod, Name: "Collection Period", Kind: lwm2m.KindInteger, Operations: readWrite, Range: notNegative, Details: seconds},
		},
	}
}
