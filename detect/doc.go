// Package detect finds abused API keys in the stream of calls, decides what to do about them, and says why.
//
// # The model
//
// Behind a key stand clients, and a stolen key has one client too many. So the unit that is judged is not the key but the
// actor: one agent family in one network (where its number is not known, the /16 or /32 of the address), with the customer's established addresses or with
// fresh ones. For every actor the
// engine gathers evidence of several families, each as a bet against "nothing is wrong": the logarithm (base 10) of how
// much better abuse foretells what was seen than custom does. Such a bet has mean 1 or less while nothing is wrong, so
// 10^-x bounds the chance of ever reaching x (Ville 1939; Shafer 2021 on testing by betting), however often one looks.
// That is what allows a decision at every request instead of every hour.
//
//   - Who: novelty (network, country, agent, address, weighted by how often this key shows something new, after Good and
//     Turing, and by where customers of the platform are usually found), spread (many networks at once). An address from which another key
//     was abused within days, and that no key has as its own, adds to it, by a bounded amount that fades.
//   - What: enumeration (ids one after the other), errors (refused, not found, declined, malformed by a program that is not the customer's; and
//     objects deleted that the key's own clients use; of a crowd whatever fails), money (units, bytes of the answer and bytes of the request a
//     call, against what the platform spends on that route and this key adds to it), routes, volume (faster than the key ever was, in an hour or
//     in five minutes, or more than ever of what it does seldom: routes that it hardly uses, objects that it never asked for, which a client
//     that calls like a clock may poll; of a crowd more than the key ever did, from one address after the other; for the key as a whole also in
//     a day, which what goes on around the clock is beyond, though none of its hours is), latency (calls that take far longer than is usual on
//     their routes for this key, beyond what other keys wait for there at the same time: costly queries, statements that sleep. A slow backend
//     looks the same, so that by itself it is an alert at most, and half a deed).
//   - Where: geography (further from the customer's own client than anybody travels in the time, and taking turns with it).
//     Address data errs, and a second office is as far away, so it counts only beside something that the client does.
//   - When: dormancy (a forgotten key awakes), rhythm (off hours, of the key and of a client; a client that calls like a clock where the
//     key's own clients don't). Customers have pollers and night shifts, too, so a client's rhythm counts only beside something that it does.
//   - Beside what is expected of the key at that hour, its cohort's move included: slow change (CUSUM over days), drops, silence.
//     Nobody is stopped for these; they are told, and are alerts where a policy says so.
//   - Not: what happens to many keys at once. Busier keys everywhere are a launch, refusals everywhere an outage, a network new to everybody a
//     proxy in front of them, silence everywhere a broken log. Nor what one of a fleet does, as devices are that call seldom, with one program
//     from many networks: they are judged by more. Nor that machines which live for an hour call from a new address each: that is one client, and
//     how often the key showed new addresses before today speaks for it, within bounds where a suspension is asked for.
//   - Not: what reads the same thing again and again like a clock, from a route or two that others use as well. Load balancers, uptime services and
//     watchdogs do; a thief wants something else each time. Neither that it is a clock nor its pace says anything against it, and an alert asks for more.
//   - Not: an object that the client made itself, or that lies where the customer's own client goes through ids just now. Partners place
//     orders and ask for them, builds make objects and delete them, jobs get a second machine: all of these are ids one after the other.
//   - Against: the actor asks for the objects that the customer uses. A migration, a second region, a journey do that; a
//     thief cannot know them, unless it asked for a list first; so they speak for it within bounds. A program of the customer's that asks for none of
//     them is the odder. And: the customer's own clients fell silent as it came, and it does with their program what they did, so they have moved.
//
// Within a family p-values are combined by Fisher's method, across families the harmonic mean is reported. A suspension needs a "who" and a
// "what" beside it, or one that is overwhelming (ids one after the other; or refused nearly everywhere on routes that nobody
// is answered on, be it from the customer's own machine, from the first such route on), and stays within the policies' caps. One family alone is at most an alert. Two calls may be enough, where
// several things about them are odd. And somebody who is only half new, as strangers behind an app are, is stopped for ten times the odds, by
// what is done alone and in all. Every hour that a client is watched is another chance to look bad, so a suspension pays for the time that its
// evidence took: it asks for more of a client after a day than within the hour, and in a network that is the key's own. And pace that a client
// reaches only hours after it came is growth, up to ten times the busiest hour of the key: a contractor, a service that goes live, a connector
// begin with little, whoever takes something takes it soon. How much evidence an alert needs is set by a budget for false ones (package fdr).
//
// # Learning
//
// In its first two days a key is what it shows; after that something new is the customer's only after a probation, and never while an alert
// about it is open. What is usual at an hour of the week is the usual hour of a working day or of a weekend, times a factor for the day of the
// week once that has foretold the key's days better than without (who rests on Fridays, whose Mondays are heavy). Baselines shrink to those of
// the platform, and of the key's cohort (same plan, same kind), until a key has a history of its own. A key younger than five days is flagged
// for errors that nobody makes who learns an API, and from the third day for what would stop an older one; it is stopped for ten times the
// odds. An hour raises a record at most fourfold, and what a call takes counts a tenth while it is far beyond what is usual. A person's
// dismissal teaches the one key, with decay.
//
// An hour is closed for all keys in the first minute of the next, in one round over them (a call that comes sooner closes its key's): what it
// taught is known then, and which keys fell silent. The calls of a morning find the night closed.
//
// # Tried and dropped
//
// Measured on the generated worlds, and not worth their cost: that a network which is met in many countries is no place (fewer false alerts by
// a twentieth, but stolen keys on clouds are found later); the platform's own rate of new networks in place of the prior (it is the prior, and
// where many keys are being stolen it excuses thieves); that calm days excuse a client also where its deeds are enough for a suspension (a
// thief joins it); thieves that choose networks less like customers do than by half (nothing changes); that what any client of the key made
// may be asked for by all (no honest client is spared, and a thief that copies the customer is lost); that the first rare route of a new
// client, which may be a new feature, says nothing more (nobody honest is spared, and thieves are found later); that known objects excuse a
// client less where it comes back to none (no thief more is found, and a warehouse's nightly copy is stopped); which routes a new client calls
// how often, beside the key's own shares, and how much of it deletes or writes (measured on seven hundred clients: honest new programs are as
// one-sided as thieves); answers far smaller than usual (two in a hundred thieves); less of an alert for a new machine in the key's own
// network that is busier than the key by less than three times (it is told an hour later); the same price of time for an alert about a crowd
// (it is told two hours later, customers' devices as well); a new client's calls of a day beside the key's busiest day (a night job that goes
// live looks the same); a suspension at the first call (two in some thousand honest clients have the evidence), or at the second by one odd
// thing (a declined card); growth without bound (who takes more every hour for a day is missed); a new country in full beside a new network,
// as a new program is (two thieves in two hundred more, false alerts up by a third, and a warehouse's copy is stopped); that new routes say
// less of a key that shows some every day (thieves of keys whose objects have names are found later; such names are better learnt as names);
// that conflicts and locks over the customer's own objects, in its own network, are no refusals (nothing changes: what is told is the pace);
// that a key which was hardly heard of today when it should have been catches up (three false alerts in fifty fewer, but the runaway that begins as the customer
// comes back has raised the record by the time it may be told); that one route says less of an hour of twice the busiest, or that three times are asked for (no false
// alert fewer: told later, and a deletion by night is missed); that where new addresses are daily bread a client of the key's own program is no stranger at all, and not
// only less of one (thieves among the machines are lost); that such machines speak less for an alert than their number says (as many false alerts more as true ones);
// the bytes and units of a day beside the busiest day, as its calls are (one slow leak in six more, for twenty alerts, most of them about what had been told already); calls
// for objects that the key's own clients never asked for, by the day, in number or as a share (who copies what he can before he leaves has one to two and a half times the
// largest share so far, and every other mirror and renumbering has more); what calls take forgotten over three days and not over so many calls (a prompt that grows for a
// day is told in the same one case in three); what the key's own clients do at the same time taken off what a new one does, in errors, cost and pace (no false alert fewer
// in ten sets); routes called rare by the keys that share an API and not by all (no honest client is spared, and one true alert in forty is lost);
// an alert before the twentieth call where the evidence is ten times as much (none more).
// Weighed by the evidence on record, and left: a client of the key's own cloud that is new again with each new address (finds who joins it;
// stops tenants' connectors); a crowd of one program that calls less than the key does as no alert (customers' devices, and a key in a web
// page); the pace of a crowd as evidence where its members are there at the same time (people, devices); more strangers who list first
// (copiers of small collections are found, nightly copies come near). An isolation forest, and the tenth nearest neighbour, over the fleet's
// new clients by their evidence and 28 raw facts (13 sets, learnt on the others; at three false alarms in a thousand honest clients): five
// minutes after it came they find 0.44 and 0.21 of 630 stolen keys (0.74 where they learn from honest clients alone), the sum of the evidence
// 0.80, and both together at the best weight 0.82; after an hour 0.870 become 0.875. What is missed is missed for want of facts, not of a
// combination of them.
//
// # Contract
//
// An [Engine] does no I/O, reads no clock and starts no goroutine: time is that of the records, and [Engine.Advance]. It
// is deterministic: records of one second may arrive in any order, and an engine warmed with a key's history decides as
// the one that saw it live. It is not safe for concurrent use; one engine serves one partition, and is told by those of other partitions whom they found
// abusing a key, and who tried keys that do not exist ([Engine.Blames], [Engine.Heed]). Observe never fails:
// what is unknown (country, network, units) is no evidence. Memory is bounded by key: see [Engine.Stats] and
// detect/bench. It does not act: it returns decisions, and whoever holds the keys carries them out.
package detect
