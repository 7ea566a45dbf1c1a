package rating

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// Currency is an ISO 4217 currency with the number of decimal places of its minor unit. The zero value is not valid.
type Currency struct {
	Code     string
	Decimals int32 // 0, 2, 3 or 4
}

// Codes of ISO 4217 whose minor unit is not 1/100, and the others in use. Kept here because the tables of locale libraries
// follow the habit of shops (CLDR says 0 places for IQD) and not the standard.
const (
	noDecimals    = " BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF "
	threeDecimals = " BHD IQD JOD KWD LYD OMR TND "
	fourDecimals  = " CLF UYW "
	twoDecimals   = " AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW " +
		"CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR " +
		"IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN " +
		"NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB " +
		"TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG "
)

// ParseCurrency finds a currency by its code of three capital letters.
func ParseCurrency(code string) (Currency, error) {
	if len(code) == 3 && !strings.Contains(code, " ") {
		for _, set := range []struct {
			codes    string
			decimals int32
		}{{twoDecimals, 2}, {noDecimals, 0}, {threeDecimals, 3}, {fourDecimals, 4}} {
			if strings.Contains(set.codes, " "+code+" ") {
				return Currency{Code: code, Decimals: set.decimals}, nil
			}
		}
	}
	return Currency{}, fmt.Errorf("currency %.16q is not a code of ISO 4217; give one such as EUR, USD or JPY", code)
}

// Round rounds half up (away from zero) to the minor unit.
func (c Currency) Round(d decimal.Decimal) decimal.Decimal { return d.Round(c.Decimals) }

// Format writes a rounded amount with exactly the places of the minor unit: 12.50, 12, 12.500.
func (c Currency) Format(d decimal.Decimal) string { return d.StringFixed(c.Decimals) }
