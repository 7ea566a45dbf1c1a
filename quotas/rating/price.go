// Package rating turns a quantity into money: flat, unit, graduated, volume and package prices, with a free allowance, a
// conversion of units, a percentage off and a least and a greatest amount to pay.
//
// The contract:
//   - It is pure: no I/O, no clock, no globals. [Compile] reports every problem of a price at once; after it nothing can fail.
//   - It is exact: decimals only, never a float, never a division that does not come out. A statement line is rounded
//     once, half up, at the minor unit of its currency; the exact amount is kept beside it ([Line.Exact]).
//   - The order is OpenMeter's: conversion, free allowance, price, percentage off, max spend, min spend.
//   - Tiers hold (lower bound, upper bound]: a quantity exactly at a bound belongs to the lower tier, and one just above
//     it, by any fraction, to the next. The first tier's flat fee is due at quantity 0 too, as with Stripe and OpenMeter;
//     a plan that shall cost nothing without use gives its first tier no flat fee.
//   - A negative quantity counts as 0.
//
// A [Rater] is safe for concurrent use.
package rating

import "github.com/shopspring/decimal"

// Mode names how a price is computed.
type Mode string

const (
	// ModeFlat costs Amount, whatever the quantity.
	ModeFlat Mode = "flat"
	// ModeUnit costs Amount for each unit.
	ModeUnit Mode = "unit"
	// ModeGraduated prices each unit by the tier that it falls into, like income tax.
	ModeGraduated Mode = "graduated"
	// ModeVolume prices all units by the tier that the total falls into. More use may cost less.
	ModeVolume Mode = "volume"
	// ModePackage costs Amount for each begun package of PackageSize units.
	ModePackage Mode = "package"
)

// Price is how a quantity is paid for, as stored in a plan. Decimals are strings in JSON; prices have at most 12 decimal
// places (Stripe's bound) and are never negative.
type Price struct {
	Mode Mode `json:"model"`
	// Amount is the fee of a flat price, the price of one unit, or the price of one package.
	Amount *decimal.Decimal `json:"price,omitempty"`
	// PackageSize is the number of units in a package.
	PackageSize *decimal.Decimal `json:"package_size,omitempty"`
	// Tiers of a graduated or volume price, by rising bound; exactly the last is open.
	Tiers []Tier `json:"tiers,omitempty"`
	// Transform converts the metered quantity first, such as bytes to begun gigabytes.
	Transform *Transform `json:"transform,omitempty"`
	// Included is the free allowance, in converted units.
	Included *decimal.Decimal `json:"included,omitempty"`
	// DiscountPercent is taken off what the price gives: 0 to 100.
	DiscountPercent *decimal.Decimal `json:"discount_percent,omitempty"`
	// MaxSpend and MinSpend bound the amount of a period, in whole minor units of the currency.
	MaxSpend *decimal.Decimal `json:"max_spend,omitempty"`
	MinSpend *decimal.Decimal `json:"min_spend,omitempty"`
}

// Tier is a range of quantities and its price. At least one of Unit and Flat is given.
type Tier struct {
	// UpTo is the upper bound, inclusive; nil for the last tier, which is open.
	UpTo *decimal.Decimal `json:"up_to,omitempty"`
	// Unit is the price of one unit, or of one begun block when Block is given.
	Unit *decimal.Decimal `json:"unit_price,omitempty"`
	// Flat is due once when the tier is reached.
	Flat *decimal.Decimal `json:"flat_price,omitempty"`
	// Block is the number of units in a block (Kill Bill); the tier's quantity is rounded up to whole blocks.
	Block *decimal.Decimal `json:"block,omitempty"`
}

// Rounding names how a converted quantity is rounded.
type Rounding string

const (
	RoundNone   Rounding = ""
	RoundUp     Rounding = "up"
	RoundDown   Rounding = "down"
	RoundHalfUp Rounding = "half_up"
)

// Transform is quantity x Multiply / Divide, rounded to Decimals places. A division by anything but a power of ten needs
// a rounding, since it may not come out.
type Transform struct {
	Multiply *decimal.Decimal `json:"multiply,omitempty"`
	Divide   *decimal.Decimal `json:"divide,omitempty"`
	Round    Rounding         `json:"round,omitempty"`
	Decimals int32            `json:"decimals,omitempty"`
}

// Step is one tier's share of a line, for display: Quantity x Unit + Flat = Amount.
type Step struct {
	Tier     int              `json:"tier"` // from 1; 0 for a price without tiers
	From     decimal.Decimal  `json:"from"` // exclusive
	To       *decimal.Decimal `json:"up_to,omitempty"`
	Quantity decimal.Decimal  `json:"quantity"`
	// Blocks is how many blocks or packages the quantity fills; absent when the price is per unit.
	Blocks *decimal.Decimal `json:"blocks,omitempty"`
	Unit   decimal.Decimal  `json:"unit_price"`
	Flat   decimal.Decimal  `json:"flat_price"`
	Amount decimal.Decimal  `json:"amount"`
}

// Line is a rated quantity with its arithmetic: Subtotal is the sum of the steps,
// Exact = Subtotal + Discount + MaxSpend + MinSpend, Amount is Exact rounded half up to the currency's minor unit.
type Line struct {
	Quantity decimal.Decimal `json:"quantity"` // as metered, clamped at 0
	Billable decimal.Decimal `json:"billable"` // converted, without the free allowance
	Steps    []Step          `json:"steps"`
	// Share is the part of the period that a prorated flat fee is for; its step shows the fee of the whole.
	Share    *Share          `json:"share,omitempty"`
	Subtotal decimal.Decimal `json:"subtotal"`
	Discount decimal.Decimal `json:"discount"`  // <= 0
	MaxSpend decimal.Decimal `json:"max_spend"` // <= 0: what the greatest amount takes off
	MinSpend decimal.Decimal `json:"min_spend"` // >= 0: what the least amount adds
	Exact    decimal.Decimal `json:"exact_amount"`
	Amount   decimal.Decimal `json:"amount"`
}

// Share is a part of a period in days, as in 10 of 31.
type Share struct {
	Days int64 `json:"days"`
	Of   int64 `json:"of"`
}
