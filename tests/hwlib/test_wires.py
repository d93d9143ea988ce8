"""Repeated wires, buses, H-trees and meshes."""

import itertools

import numpy as np
import pytest

from hwlib.components.buffers import RegisterFile
from hwlib.components.interconnect import Bus, HTree, line, repeated_delay, wire_cost
from hwlib.components.mesh import Mesh, Router
from hwlib.technology import load_technology, technology_names
from hwlib.technology.gates import d_flip_flop, inverter
from hwlib.technology.logic import logic

TECH = load_technology("22nm")
EVERY = list(itertools.product(technology_names(), ("hp", "lstp")))


@pytest.mark.parametrize(("name", "roadmap"), EVERY)
def test_repeaters_keep_near_the_fastest(name, roadmap):
    # The least delay over a fine grid of sizes and spacings, found without the formulas; 10 % slack, and 3 % for
    # sizes and spacings in closed form that treat them one by one.
    tech = load_technology(name, roadmap)
    chosen = line(tech)
    size, spacing = np.meshgrid(chosen.size * np.geomspace(0.2, 10, 80), chosen.spacing * np.geomspace(0.2, 10, 80))
    fastest = np.min(repeated_delay(tech, size, spacing))
    assert fastest <= chosen.delay <= 1.13 * fastest


def test_repeaters_are_smaller_than_the_fastest():
    # 22 nm: sqrt(2 x 43.19k x 0.2 fF/µm / (0.1459 fF x 23.18 / 4 ohm/µm)) = 142.9, floored and halved once
    assert line(TECH).size == 71


def test_repeated_delay_by_hand():
    # size 100: 431.9 ohm, 14.59 fF in, and 2.959 fF out, since 49.45 aF of the smallest's 78.55 aF are edges that
    # do not grow with the width; 100 µm of wire: 579.5 ohm and 20 fF.
    # 0.6931 (431.9 x (14.59 + 2.959 + 20) + 579.5 x (10 + 14.59)) ohm fF = 21.12 ps
    assert repeated_delay(TECH, 100, 100e-6) * 100e-6 == pytest.approx(21.12e-12, rel=1e-3)  # four digits


def test_energy_by_hand():
    # wire and repeaters rise with probability a quarter, flip-flops are clocked once a clock period of travel
    # and switch in half of them
    wire, cell = line(TECH), d_flip_flop(TECH)
    one = inverter(TECH, wire.size)
    charge = 0.2e-9 + (one.input_capacitance + one.output_capacitance) / wire.spacing
    periods = wire.delay * 1e-3 / 1e-9
    expected = 0.25 * charge * 1e-3 * 0.85**2 + periods * (cell.clock_energy + 0.5 * cell.switch_energy)
    cost = wire_cost(TECH, 1e-3)
    assert cost.energy == pytest.approx(expected)
    assert cost.latency == pytest.approx(1e-3 * wire.delay)
    # a bare wire of 1 mm would take 0.25 x 0.2 pF x 0.7225 V² = 36.1 fJ; repeaters and flip-flops add less than that
    assert 36.1e-15 < cost.energy < 72.2e-15


def test_wires_are_linear_and_additive():
    whole, parts = wire_cost(TECH, 3e-3), wire_cost(TECH, 1e-3) + wire_cost(TECH, 2e-3)
    assert whole.energy == pytest.approx(parts.energy)
    assert whole.latency == pytest.approx(parts.latency)
    assert wire_cost(TECH, 0.0).energy == wire_cost(TECH, 0.0).latency == 0.0
    still, busy = wire_cost(TECH, 1e-3, 0.0), wire_cost(TECH, 1e-3, 0.5)
    assert 2 * wire_cost(TECH, 1e-3, 0.25).energy == pytest.approx(still.energy + busy.energy)


def test_bus_is_its_wires():
    bus = Bus(2e-3, 64)
    assert bus.transfer(TECH).energy == pytest.approx(64 * wire_cost(TECH, 2e-3).energy)
    assert bus.transfer(TECH).latency == pytest.approx(wire_cost(TECH, 2e-3).latency)
    assert bus.area(TECH) == pytest.approx(64 * 2e-3 * line(TECH).area)
    assert bus.leakage(TECH) > 64 * 2e-3 / line(TECH).spacing * inverter(TECH, line(TECH).size).leakage
    assert bus.cycle_time(TECH) == 1e-9


def test_tree_lengths_by_hand():
    # 2 x 2 units of 1 mm x 2 mm: trunk 1 mm; branches 2 x 0.5 mm across, then 4 x 1 mm along: path 2.5 mm, all 6 mm
    tree = HTree(2, 2, 1e-3, 2e-3, 8)
    assert tree.path_length == pytest.approx(2.5e-3)
    assert tree.total_length == pytest.approx(6e-3)
    # one unit of 1 mm x 2 mm: the trunk to its centre
    assert HTree(1, 1, 1e-3, 2e-3, 8).path_length == pytest.approx(0.5e-3)
    # 1 x 4 units of 1 mm: trunk 2 mm, 2 x 1 mm, 4 x 0.5 mm
    row = HTree(1, 4, 1e-3, 1e-3, 8)
    assert row.path_length == pytest.approx(3.5e-3)
    assert row.total_length == pytest.approx(6e-3)


def test_tree_costs_its_path_and_takes_all_its_wires():
    tree = HTree(4, 4, 1e-4, 1e-4, 128)
    once = wire_cost(TECH, tree.path_length)
    assert tree.transfer(TECH).energy == pytest.approx(128 * once.energy)
    assert tree.transfer(TECH).latency == pytest.approx(once.latency)
    assert tree.area(TECH) == pytest.approx(128 * tree.total_length * line(TECH).area)
    assert tree.leakage(TECH) == pytest.approx(128 * tree.total_length * line(TECH).leakage)


def test_zero_sized_units_cost_nothing():
    tree = HTree(1, 1, 0.0, 0.0, 8)
    assert (tree.area(TECH), tree.transfer(TECH).energy, tree.transfer(TECH).latency) == (0.0, 0.0, 0.0)


def test_trees_of_different_depth_in_one_call():
    rows, columns = np.array([1, 3, 8, 16]), np.array([1, 4, 2, 16])
    together = HTree(rows, columns, 1e-4, 2e-4, 32)
    for i in range(4):
        alone = HTree(int(rows[i]), int(columns[i]), 1e-4, 2e-4, 32)
        assert together.path_length[i] == pytest.approx(alone.path_length)
        assert together.leakage(TECH)[i] == pytest.approx(alone.leakage(TECH))
        assert together.transfer(TECH).energy[i] == pytest.approx(alone.transfer(TECH).energy)


def test_technologies_in_one_call():
    supplies = np.array([0.7, 0.85])
    together = line(load_technology("22nm", supply=supplies))
    for i, supply in enumerate(supplies):
        alone = line(load_technology("22nm", supply=float(supply)))
        assert together.size[i] == alone.size
        assert together.delay[i] == pytest.approx(alone.delay)


def test_a_longer_tree_costs_more():
    trees = [HTree(n, n, 1e-4, 1e-4, 32) for n in (1, 2, 4, 8)]
    for figure in (lambda tree: tree.area(TECH), lambda tree: tree.transfer(TECH).energy):
        figures = [figure(tree) for tree in trees]
        assert figures == sorted(figures)
        assert figures[0] < figures[-1]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (3, 5), (8, 8)])
def test_mean_distance_is_that_of_all_pairs(rows, columns):
    # by enumeration, without the formula
    def mean(count):
        return np.mean([abs(i - j) for i in range(count) for j in range(count)])

    assert Mesh(rows, columns, 1e-3, 1e-3, 32).mean_distance == pytest.approx((mean(columns), mean(rows)))


def test_mesh_by_hand():
    # 2 x 2 units of 1 mm x 2 mm: half a link each way on average, 0.5 mm + 1 mm, and two routers; 4 links each way
    # and direction, 2 x (2 x 1 mm + 2 x 2 mm) = 12 mm
    mesh = Mesh(2, 2, 1e-3, 2e-3, 32)
    router, links = mesh.router.route(TECH), Bus(1.5e-3, 32).transfer(TECH)
    assert mesh.transfer(TECH).energy == pytest.approx(2 * router.energy + links.energy)
    assert mesh.transfer(TECH).latency == pytest.approx(2 * 3e-9 + links.latency)  # three clock periods each
    assert mesh.area(TECH) == pytest.approx(4 * mesh.router.area(TECH) + Bus(12e-3, 32).area(TECH))
    assert mesh.leakage(TECH) == pytest.approx(4 * mesh.router.leakage(TECH) + Bus(12e-3, 32).leakage(TECH))
    assert mesh.cycle_time(TECH) == 1e-9


def test_a_mesh_of_one_is_a_router():
    alone = Mesh(1, 1, 1e-3, 1e-3, 32)
    assert alone.area(TECH) == alone.router.area(TECH)
    assert alone.transfer(TECH).energy == pytest.approx(alone.router.route(TECH).energy)


def test_router_by_hand():
    # five queues of four flits; five outputs of four 2:1 multiplexers of three NANDs a bit, and 12 NANDs a request
    router, queue = Router(5, 32), RegisterFile(128, 32)
    gates = logic(TECH, 5 * (3 * 32 * 4 + 12 * 5), 0)
    assert router.area(TECH) == pytest.approx(5 * queue.area(TECH) + gates.area)
    one_output = logic(TECH, (3 * 32 * 4 + 12 * 5) / 4, 0).energy
    stored = queue.write(TECH).energy + queue.read(TECH).energy
    assert router.route(TECH).energy == pytest.approx(stored + one_output)
