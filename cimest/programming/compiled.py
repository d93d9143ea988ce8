"""The hot loops of weight programming: the weight error of a strategy, and the best way to write each weight."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

NONE, MEAN_MAGNITUDE, LEAST_SQUARES = range(3)
"""How drift is compensated."""

NEAR = 2.0
"""Standard deviations from zero within which the mean magnitude of a weight takes its whole distribution; beyond, it is
the mean. The rms error of a population is off by less than 5e-4 of itself (our choice, as is `LATTICE_STEP`)."""

CELLS = 128
"""Most cells of the lattice on which distributions are convolved."""

LATTICE_STEP = 0.7
"""Of that lattice, in standard deviations of the weight."""


@njit(cache=True, fastmath=True)
def _place(conductance, lowest, span, count):
    """Entry of a table of `count` conductances below one, and how far beyond it."""
    position = (conductance - lowest) / span * (count - 1)
    entry = min(max(int(position), 0), count - 2)
    return entry, position - entry


@njit(cache=True, fastmath=True)
def _deposit(lattice, shapes, column, spread, origin, target, lowest, clear, low, step):
    """Put a conductance's distribution on a lattice; where it ends.

    `spread` is its standard deviation and `origin` its mean, in cells; the distribution of a conductance from
    `clear` on is Gaussian, which the last of the shapes is.
    """
    count = shapes.shape[0]
    position = math.sqrt(max(target - lowest, 0.0) / (clear - lowest)) * (count - 1)
    entry = min(int(position), count - 2)
    beyond = min(position - entry, 1.0)
    last = 0
    for k in range(shapes.shape[2]):
        mass = (1 - beyond) * shapes[entry, column, k] + beyond * shapes[entry + 1, column, k]
        if mass < 1e-5:
            continue
        place = min(max(origin + spread * (low + step * k), 0.0), len(lattice) - 1.001)
        cell = int(place)
        lattice[cell] += mass * (1 - (place - cell))
        lattice[cell + 1] += mass * (place - cell)
        last = max(last, cell + 2)
    return last


@njit(cache=True, fastmath=True)
def _side(result, one, other, conductances, factors, side, column, tables, geometry, unit, cell):
    """Distribution of the sum of the devices of one side, on a lattice that starts `geometry[5]` sigmas below its mean.

    Returns the number of cells in use, and the mean of the sum in cells from the start.
    """
    deviations, shapes = tables
    lowest, span, clear, low, step, room = geometry
    total, used = 0.0, 0
    for pair in range(len(factors)):
        target = conductances[pair, side]
        entry, beyond = _place(target, lowest, span, deviations.shape[0])
        sigma = (1 - beyond) * deviations[entry, column] + beyond * deviations[entry + 1, column]
        spread = factors[pair] * sigma * unit / cell
        origin = math.ceil(room * spread) + 1.0
        if pair == 0:
            result[:] = 0.0
            used = _deposit(result, shapes, column, spread, origin, target, lowest, clear, low, step)
        else:
            one[:] = 0.0
            length = _deposit(one, shapes, column, spread, origin, target, lowest, clear, low, step)
            other[:used] = result[:used]
            result[:] = 0.0
            for k in range(length):
                for i in range(min(used, len(result) - k)):
                    result[i + k] += one[k] * other[i]
            used = min(used + length, len(result))
        total += origin
    return used, total


@njit(cache=True, fastmath=True)
def _moments_of(lattice, used):
    """Mass, mean and variance of a distribution, in cells."""
    mass = first = second = 0.0
    for i in range(used):
        mass += lattice[i]
        first += i * lattice[i]
        second += i * i * lattice[i]
    first /= mass
    return mass, first, second / mass - first * first


@njit(cache=True, fastmath=True)
def _distances_from(lattice, used, result):
    """Mean distance of whole cells from a distribution, from `CELLS` before its lattice to as many behind it.

    Returns its mean and variance, in cells.
    """
    mass, mean, variance = _moments_of(lattice, used)
    for i in range(CELLS):
        result[i] = mean + (CELLS - i)
    for i in range(CELLS + used, len(result)):
        result[i] = i - CELLS - mean
    below, moment, whole = 0.0, 0.0, 1 / mass
    for i in range(used):
        below += lattice[i] * whole
        moment += i * lattice[i] * whole
        result[CELLS + i] = i * (2 * below - 1) - 2 * moment + mean
    return mean, variance


@njit(cache=True, fastmath=True)
def mean_magnitude(plus, used, start, distances, minus, cell, mean, sigma):
    """Mean of |weight| of a weight near zero, from the distribution of one side and the distances from the other.

    `minus` holds the start, mean and variance of the other side. The lattice's own variance is taken off again to first
    order.
    """
    start_minus, mean_minus, variance_minus = minus
    mass, mean_plus, variance_plus = _moments_of(plus, used)
    # both lattices have whole cells; what is left of their distance is split over two of them
    distance = mean / cell - start + start_minus
    shift = int(min(max(math.floor(distance), -CELLS), CELLS))
    part = distance - shift
    first = 0.0
    for i in range(used):
        place = i + shift + CELLS
        first += plus[i] * ((1 - part) * distances[place] + part * distances[place + 1])
    variance = variance_plus + variance_minus + part * (1 - part)
    found = (mean_plus - mean_minus + distance) * cell
    surplus = variance * cell * cell + found * found - mean * mean - sigma * sigma
    density = math.exp(-0.5 * (mean / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    return first / mass * cell - surplus * density


@njit(cache=True, fastmath=True)
def strategy_moments(conductances, factors, unit, mean_table, variance_table, lowest, span, means, variances):
    """Mean and variance of every weight at every time, in units of the largest weight.

    Most devices are at their lowest conductance; the others are counted as differences from that.
    """
    count, times = mean_table.shape
    idle = 0.0
    for pair in range(len(factors)):
        idle += 2 * (factors[pair] * unit) ** 2
    for j in range(conductances.shape[0]):
        for t in range(times):
            means[j, t] = 0.0
            variances[j, t] = idle * variance_table[0, t]
        for pair in range(len(factors)):
            for side in range(2):
                if conductances[j, pair, side] == lowest:
                    continue
                entry, beyond = _place(conductances[j, pair, side], lowest, span, count)
                signed = factors[pair] * unit * (1 - 2 * side)
                for t in range(times):
                    mean = (1 - beyond) * mean_table[entry, t] + beyond * mean_table[entry + 1, t]
                    variance = (1 - beyond) * variance_table[entry, t] + beyond * variance_table[entry + 1, t]
                    means[j, t] += signed * (mean - mean_table[0, t])
                    variances[j, t] += signed * signed * (variance - variance_table[0, t])


@njit(cache=True, fastmath=True)
def compensation(kind, weights, density, conductances, factors, unit, means, variances, tables, geometry, alpha):
    """Factor by which weights are multiplied at each time."""
    times = means.shape[1]
    if kind == MEAN_MAGNITUDE:
        plus, one, other = np.empty((3, CELLS))
        distances = np.empty(3 * CELLS + 1)
        written = 0.0
        for t in range(times):
            total, cell, before = 0.0, 0.0, 0
            minus = 0.0, 0.0, 0.0
            for j in range(len(weights)):
                mean, sigma = means[j, t], math.sqrt(variances[j, t])
                size = abs(mean)
                if density[j] > 0.0 and size < NEAR * sigma:
                    target = conductances[j]
                    same = sigma <= 3 * cell / LATTICE_STEP
                    if same:
                        for pair in range(len(factors)):
                            same &= target[pair, 1] == conductances[before, pair, 1]
                    else:
                        cell = LATTICE_STEP * sigma
                    if not same:
                        used, start = _side(plus, one, other, target, factors, 1, t, tables, geometry, unit, cell)
                        centre, variance = _distances_from(plus, used, distances)
                        minus = start, centre, variance
                    before = j
                    used, start = _side(plus, one, other, target, factors, 0, t, tables, geometry, unit, cell)
                    size = mean_magnitude(plus, used, start, distances, minus, cell, mean, sigma)
                total += density[j] * size
            if t == 0:
                written = total
            else:
                alpha[t - 1] = written / total
    else:
        for t in range(1, times):
            product = square = 0.0
            for j in range(len(weights)):
                product += density[j] * weights[j] * means[j, t]
                square += density[j] * (means[j, t] ** 2 + variances[j, t])
            alpha[t - 1] = product / square if kind == LEAST_SQUARES else 1.0


@njit(cache=True, fastmath=True)
def weight_error(
    kind, weights, density, conductances, factors, unit, mean_table, variance_table, tables, geometry, alpha, errors
):
    """Density-weighted mean square error at every time; fills `alpha` and `errors`, returns the mean of the errors."""
    lowest, span = geometry[0], geometry[1]
    levels, times = len(weights), mean_table.shape[1]
    means, variances = np.empty((levels, times)), np.empty((levels, times))
    strategy_moments(conductances, factors, unit, mean_table, variance_table, lowest, span, means, variances)
    compensation(kind, weights, density, conductances, factors, unit, means, variances, tables, geometry, alpha)
    whole = 0.0
    for t in range(times - 1):
        errors[t] = 0.0
        for j in range(levels):
            bias = alpha[t] * means[j, t + 1] - weights[j]
            errors[t] += density[j] * (alpha[t] ** 2 * variances[j, t + 1] + bias * bias)
        whole += errors[t]
    return whole / (times - 1)


# --- the best way to write one weight, given the compensation


@njit(cache=True, fastmath=True)
def decode(point, carried, factors, lowest, span, result):
    """Conductances of a point of the unit cube, so that every point is valid.

    The first coordinates say how much of the weight each pair but the last carries, of what the later ones allow; the
    others where each pair lies between one device at its smallest and the other at its largest conductance.
    """
    pairs = len(factors)
    later = 0.0
    for pair in range(pairs):
        later += factors[pair]
    rest = carried
    for pair in range(pairs):
        later -= factors[pair]
        if pair < pairs - 1:
            least = max(rest - later, -factors[pair])
            most = min(rest + later, factors[pair])
            share = least + point[pair] * (most - least)
        else:
            share = rest
        rest -= share
        difference = min(max(share / factors[pair], -1.0), 1.0)
        common = point[pairs - 1 + pair] * (1 - abs(difference))
        result[pair, 0] = lowest + span * min(max(difference, 0.0) + common, 1.0)
        result[pair, 1] = lowest + span * min(max(-difference, 0.0) + common, 1.0)


@njit(cache=True, fastmath=True)
def _cost(point, weight, carried, factors, unit, table, lowest, span, current, trial, bias):
    """Error of one weight summed over times; `table` has the compensated variance, the price that the compensation puts
    on the means, then the compensated means; `current` is the price of the summed conductance.
    """
    decode(point, carried, factors, lowest, span, trial)
    count, columns = table.shape
    cost = 0.0
    for t in range(2, columns):
        bias[t] = -weight
    for pair in range(len(factors)):
        for side in range(2):
            entry, beyond = _place(trial[pair, side], lowest, span, count)
            signed = factors[pair] * unit * (1 - 2 * side)
            cost += signed * signed * ((1 - beyond) * table[entry, 0] + beyond * table[entry + 1, 0])
            cost += signed * ((1 - beyond) * table[entry, 1] + beyond * table[entry + 1, 1])
            cost += current * trial[pair, side]
            for t in range(2, columns):
                bias[t] += signed * ((1 - beyond) * table[entry, t] + beyond * table[entry + 1, t])
    for t in range(2, columns):
        cost += bias[t] * bias[t]
    return cost


@njit(cache=True, fastmath=True)
def _idle(point, pair, carried, factors):
    """The coordinate at which a pair carries nothing, or as little as the later ones allow."""
    later = 0.0
    for other in range(len(factors)):
        later += factors[other]
    rest = carried
    for other in range(pair + 1):
        later -= factors[other]
        least, most = max(rest - later, -factors[other]), min(rest + later, factors[other])
        if other == pair:
            return min(max(-least / (most - least), 0.0), 1.0) if most > least else 0.0
        rest -= least + point[other] * (most - least)
    return 0.0


@njit(cache=True, fastmath=True)
def best_points(weights, carried, factors, unit, table, lowest, span, current, starts, grid, halvings, points, costs):
    """For each weight the best of a grid of points, some starts and its neighbour's, refined by steps that are halved.

    Every weight is searched on its own, since given the compensation they do not meet in the error.

    Parameters
    ----------
    weights, carried : arrays of shape (levels,)
        In units of the largest, and in units of a device's range.
    starts : array of shape (starts, levels, coordinates)
    grid : array of int, shape (coordinates,)
        Points of the scan along each coordinate.
    halvings : int
        Of the step of the refinement.
    points : array of shape (levels, coordinates)
        Filled.
    costs : array of shape (levels,)
        Filled; sums over times.
    """
    coordinates = len(grid)
    trial, bias = np.empty((len(factors), 2)), np.empty(table.shape[1])
    point, best = np.empty(coordinates), np.empty(coordinates)
    number = 1
    for axis in range(coordinates):
        number *= grid[axis]
    for j in range(len(weights)):
        least = np.inf
        for code in range(number + len(starts) + (j > 0)):
            if code == number + len(starts):
                point[:] = points[j - 1]
            elif code >= number:
                point[:] = starts[code - number, j]
            else:
                rest = code
                for axis in range(coordinates):
                    point[axis] = (rest % grid[axis]) / (grid[axis] - 1.0)
                    rest //= grid[axis]
            cost = _cost(point, weights[j], carried[j], factors, unit, table, lowest, span, current, trial, bias)
            if cost < least:
                least = cost
                best[:] = point
        step = 0.5
        for _ in range(halvings):
            moved = True
            while moved:
                moved = False
                for axis in range(coordinates):
                    for sign in (-1.0, 1.0):
                        point[:] = best
                        point[axis] = min(max(best[axis] + sign * step / (grid[axis] - 1.0), 0.0), 1.0)
                        cost = _cost(
                            point, weights[j], carried[j], factors, unit, table, lowest, span, current, trial, bias
                        )
                        if cost < least - 1e-12 * abs(least):
                            least = cost
                            best[:] = point
                            moved = True
            step *= 0.5
        # where a pair that carries nothing is as good, it carries nothing
        for pair in range(len(factors) - 1):
            point[:] = best
            point[pair] = _idle(best, pair, carried[j], factors)
            cost = _cost(point, weights[j], carried[j], factors, unit, table, lowest, span, current, trial, bias)
            if cost <= least + 1e-9 * abs(least):
                least = cost
                best[:] = point
        points[j] = best
        costs[j] = least
